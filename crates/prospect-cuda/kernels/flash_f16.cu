#define ELEMENT cutlass::half_t
#define NAME prospect_flash_f16
#include "flash.cuh"
