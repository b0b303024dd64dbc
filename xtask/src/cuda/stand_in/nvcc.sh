#!/bin/sh
# Stands in for nvcc: our own kernels as C++ for the CPU, nothing in the place of all others.
case " $* " in *" --version "*)
  printf 'nvcc: NVIDIA (R) Cuda compiler driver\nstand-in\n\nCuda compilation tools, release 13.0, V13.0.88\n'; exit 0;;
esac
folder=.; output=; source=; objects=
while [ $# -gt 0 ]; do
  case "$1" in
    -o) output=$2; shift;;
    --output-directory) folder=$2; shift;;
    *.cu) source=$1;;
    *.o) objects="$objects $1";;
  esac
  shift
done
case "$output:$source" in
  # Names of objects are cargo's, in a folder that has no space.
  *.a:) rm -f "$output"; exec ar crs "$output" $objects;;
  *.o:kernels/rows.cu | *.o:kernels/flash_bf16.cu | *.o:kernels/flash_f16.cu)
    exec g++ -std=c++17 -O2 -fPIC -U_FORTIFY_SOURCE -DPROSPECT_EMULATED -x c++ -c "$source" -o "$output";;
  *.o:*) exec g++ -x c++ -c /dev/null -o "$output";;
  ?*:*) : > "$output";;
  *) : > "$folder/$(basename "$source" .cu).ptx";;
esac
