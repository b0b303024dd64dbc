#define ELEMENT cutlass::bfloat16_t
#define NAME prospect_flash_bf16
#include "flash.cuh"
