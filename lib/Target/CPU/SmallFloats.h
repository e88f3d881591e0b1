//===- SmallFloats.h - 16-bit floats without instructions -------*- C++ -*-===//

#ifndef HYBRID_LIB_TARGET_CPU_SMALLFLOATS_H
#define HYBRID_LIB_TARGET_CPU_SMALLFLOATS_H

namespace llvm {
class Module;
}

namespace hybrid {

/// Loads and stores bfloats as integers. The conversions are integer arithmetic
/// already; where LLVM handles a bfloat as such (an element of a vector, on
/// AVX-512 without BF16), it may call a function of the compiler's library,
/// which artifacts do not have.
void accessBFloatsAsIntegers(llvm::Module &module);

/// Defines the functions that LLVM calls to convert halfs on x86 without F16C,
/// if `module` contains halfs.
void defineHalfConversions(llvm::Module &module);

} // namespace hybrid

#endif // HYBRID_LIB_TARGET_CPU_SMALLFLOATS_H
