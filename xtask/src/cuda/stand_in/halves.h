// The GPU's 16-bit types, as the kernels that are emulated have them.

#pragma once

#include "emulated.h"

namespace stand_in {

inline float wide(float x) { return x; }
inline float wide(__nv_bfloat16 x) { return __bfloat162float(x); }
inline float wide(__half x) { return __half2float(x); }
inline float wide(uint32_t x) { return float(x); }

template <typename T> T from_wide(float x);
template <> inline float from_wide<float>(float x) { return x; }
template <> inline __nv_bfloat16 from_wide<__nv_bfloat16>(float x) { return __float2bfloat16(x); }
template <> inline __half from_wide<__half>(float x) { return __float2half(x); }

}  // namespace stand_in
