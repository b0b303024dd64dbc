#!/bin/sh
# Stands in for nvcc where code is only type-checked: empty files wherever an output is expected.
case " $* " in *" --version "*)
  printf 'nvcc: NVIDIA (R) Cuda compiler driver\nstand-in\n\nCuda compilation tools, release 13.0, V13.0.88\n'; exit 0;;
esac
folder=.; output=; source=
while [ $# -gt 0 ]; do
  case "$1" in
    -o) output=$2; shift;;
    --output-directory) folder=$2; shift;;
    *.cu) source=$1;;
  esac
  shift
done
if [ -n "$output" ]; then : > "$output"; else : > "$folder/$(basename "$source" .cu).ptx"; fi
