# LLVM is built without exceptions and with RTTI. -fpch-preprocess lets ccache
# see through GCC's precompiled headers. Tools take -fPIC like libraries, since
# CMake's -fPIE for them would not fit the header.
set(HYBRID_MLIR_OPTIONS -fPIC
  $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)

# Parsing MLIR's headers is most of the compile time of our files, so all of them
# share this precompiled header. Each still includes what it uses:
# -DHYBRID_PRECOMPILE=OFF shows where one doesn't.
option(HYBRID_PRECOMPILE "Share a precompiled header of MLIR" ON)
if(HYBRID_PRECOMPILE)
  # A library that holds nothing else; its source is rewritten only if it differs.
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/HybridPrecompiled.cpp CONTENT "")
  add_library(HybridPrecompiled STATIC ${CMAKE_BINARY_DIR}/HybridPrecompiled.cpp)
  target_compile_options(HybridPrecompiled PRIVATE ${HYBRID_MLIR_OPTIONS})
  target_precompile_headers(HybridPrecompiled PRIVATE
    # The generated operations need Builders.h before all else.
    <mlir/IR/Builders.h>
    <llvm/ADT/TypeSwitch.h>
    <mlir/Bytecode/BytecodeOpInterface.h>
    <mlir/Dialect/Affine/IR/AffineOps.h>
    <mlir/Dialect/Arith/IR/Arith.h>
    <mlir/Dialect/Func/IR/FuncOps.h>
    <mlir/Dialect/Linalg/IR/Linalg.h>
    <mlir/Dialect/Math/IR/Math.h>
    <mlir/Dialect/SCF/IR/SCF.h>
    <mlir/Dialect/Tensor/IR/Tensor.h>
    <mlir/Pass/Pass.h>
    <mlir/Transforms/GreedyPatternRewriteDriver.h>)
endif()

# hybrid_use_mlir(TARGET): compiles against MLIR as our libraries do.
function(hybrid_use_mlir target)
  target_compile_options(${target} PRIVATE ${HYBRID_MLIR_OPTIONS})
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  if(HYBRID_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM HybridPrecompiled)
  endif()
  target_link_libraries(${target} PRIVATE MLIR LLVM)
endfunction()

# hybrid_add_library(NAME sources… [DEPENDS targets…] [LINK_LIBS libs…])
# A static library of ours on top of the shared MLIR and LLVM.
function(hybrid_add_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK_LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_LINK_LIBS})
  hybrid_use_mlir(${name})
endfunction()

# hybrid_add_tool(NAME sources… LINK_LIBS libs…): an executable in build/bin.
function(hybrid_add_tool name)
  cmake_parse_arguments(ARG "" "" "LINK_LIBS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${ARG_LINK_LIBS})
  hybrid_use_mlir(${name})
endfunction()

# hybrid_embed(FILE): FILE.inc in the build folder is the text of FILE, a path in
# the source folder, as a raw string literal.
function(hybrid_embed file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
               ${CMAKE_SOURCE_DIR}/${file})
  file(READ ${CMAKE_SOURCE_DIR}/${file} EMBEDDED)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${file}.inc
       CONTENT "R\"embedded(@EMBEDDED@)embedded\"\n" @ONLY)
endfunction()
