# Included by CMake where llama.cpp's own project begins, for the wheel that demo and tests use.

# The library of its command-line programs, which Python does not load.
set(LLAMA_BUILD_COMMON OFF)

# More than half of the time goes to files that only describe models, which -O3 makes no faster. What
# computes is in ggml, and keeps its level.
cmake_language(DEFER CALL target_compile_options llama PRIVATE -O1)
