//===- OperatorInfo.h - What the dialect knows about operators --*- C++ -*-===//
//
// The schemas of the operators as data, for code that handles all of them in
// the same way: the importer and the inference of element types.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_DIALECT_ONNX_IR_OPERATORINFO_H
#define HYBRID_DIALECT_ONNX_IR_OPERATORINFO_H

#include "mlir/IR/OperationSupport.h"
#include "mlir/IR/Types.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <optional>

namespace hybrid::onnx {

/// One operator with an op of its own in the dialect.
struct OperatorInfo {
  struct Input {
    llvm::StringRef name;
    bool optional, variadic;
  };
  struct Output {
    llvm::StringRef name;
    bool optional, variadic;
    /// "f32" etc.; "@" for a rule in C++; empty: as one of `sameAs`.
    llvm::StringRef elementType;
    /// Operands that the element type may be taken from: the first one present.
    llvm::SmallVector<unsigned, 4> sameAs;
  };
  struct Attribute {
    llvm::StringRef name;
    /// i f s t g: integer, float, string, tensor, graph; I F S: lists.
    char kind;
    bool required;
  };
  /// An attribute of older versions that is an input now.
  struct MovedAttribute {
    llvm::StringRef name;
    unsigned input;
  };

  llvm::StringRef domain, name;
  /// The name of the op: "onnx.Add", "onnx.ms.LinearAttention".
  std::string opName;
  /// Versions of the operator set that define the operator anew, ascending.
  llvm::SmallVector<int64_t, 8> versions;
  /// Older versions order their inputs in another way.
  int64_t layoutSince;
  llvm::SmallVector<Input, 4> inputs;
  llvm::SmallVector<Output, 2> outputs;
  llvm::SmallVector<Attribute, 4> attributes;
  llvm::SmallVector<MovedAttribute, 2> moved;

  bool hasVariadicInput() const {
    return !inputs.empty() && inputs.back().variadic;
  }
  bool hasVariadicOutput() const {
    return !outputs.empty() && outputs.back().variadic;
  }
  const Attribute *getAttribute(llvm::StringRef name) const;

  /// The operator of this domain ("" for ai.onnx) and name; null if there is no
  /// op for it.
  static const OperatorInfo *lookup(llvm::StringRef domain,
                                    llvm::StringRef name);
  /// The operator of an op of the dialect; null for None, Initializer, Unknown
  /// and Yield.
  static const OperatorInfo *lookup(mlir::Operation *op);
};

/// The type of elements with ONNX's number for a data type; null if there is
/// none. Signed integers are signless (`i64`), unsigned ones say so (`ui8`),
/// bool is `i1`, strings are `!onnx.String`.
mlir::Type getElementType(mlir::MLIRContext *context, int64_t dataType);

/// The other way; nullopt for types that ONNX lacks.
std::optional<int64_t> getDataType(mlir::Type elementType);

/// ONNX's name of a data type, "FLOAT16"; "data type 99" for unknown ones.
std::string getDataTypeName(int64_t dataType);

/// The element type of a tensor type; null for other types and for null.
mlir::Type getElementTypeOrNull(mlir::Type type);

/// The element type of result `index` of an operator other than If, Loop and
/// Scan; null if the operands don't tell. `operands` are laid out as in the op.
mlir::Type inferElementType(const OperatorInfo &info, unsigned index,
                            mlir::TypeRange operands,
                            const mlir::NamedAttrList &attributes,
                            mlir::MLIRContext *context);

} // namespace hybrid::onnx

#endif // HYBRID_DIALECT_ONNX_IR_OPERATORINFO_H
