# Included by CMake where llama.cpp's own project begins: the libraries that Python has take the place
# of new ones, so that only the server is compiled, and what computes is the same.
find_package(Threads REQUIRED)
foreach(name ggml-base ggml-cpu ggml llama)
    add_library(${name} SHARED IMPORTED GLOBAL)
    set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${INSTALLED}/lib${name}.so)
endforeach()
target_include_directories(ggml INTERFACE ${LLAMA_SOURCE}/ggml/include)
target_include_directories(llama INTERFACE ${LLAMA_SOURCE}/include ${LLAMA_SOURCE}/ggml/include)
target_link_libraries(ggml INTERFACE ggml-cpu ggml-base)
target_link_libraries(llama INTERFACE ggml)
