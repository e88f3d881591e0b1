//===- ONNXBase.td - The onnx dialect, its types and attributes -----------===//

#ifndef HYBRID_DIALECT_ONNX_BASE_TD
#define HYBRID_DIALECT_ONNX_BASE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def ONNX_Dialect : Dialect {
  let name = "onnx";
  let cppNamespace = "::hybrid::onnx";
  let summary = "An ONNX file, operator by operator";
  let description = [{
    One op per ONNX operator, with ONNX's own names and meaning; the operator
    set versions of the file are kept. See docs/onnx-dialect.md.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let extraClassDeclaration = [{
    /// Module: dictionary from operator set domain to version.
    static constexpr ::llvm::StringLiteral kOpsetsAttr{"onnx.opsets"};
    /// Op: its operator set version, where it is not the module's.
    static constexpr ::llvm::StringLiteral kOpsetAttr{"onnx.opset"};
    /// Function argument or result: its name in the graph.
    static constexpr ::llvm::StringLiteral kNameAttr{"onnx.name"};
    /// Function argument or result: one integer (static) or string (a name or
    /// an expression over names) per dimension.
    static constexpr ::llvm::StringLiteral kDimsAttr{"onnx.dims"};
    /// Module: the file's IR version.
    static constexpr ::llvm::StringLiteral kIRVersionAttr{"onnx.ir_version"};
    /// Module: the tool that wrote the file.
    static constexpr ::llvm::StringLiteral kProducerAttr{"onnx.producer"};

  private:
    void addCoreOps();
    void addMathOps();
    void addNNOps();
    void addTensorOps();
    void addReductionOps();
    void addQuantOps();
    void addSignalOps();
    void addMicrosoftOps();
    void registerTypes();
    void registerAttributes();

  public:
  }];
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

class ONNX_Type<string name, string keyword> : TypeDef<ONNX_Dialect, name> {
  let mnemonic = keyword;
}

def ONNX_StringType : ONNX_Type<"String", "String"> {
  let summary = "the element type of tensors of strings";
}

def ONNX_OpaqueType : ONNX_Type<"Opaque", "Opaque"> {
  let summary = "a value that is not a tensor, or whose type is not known";
  let description = [{
    `text` spells ONNX's type, for example `seq(tensor(float))`, or is
    `unknown`.
  }];
  let parameters = (ins StringRefParameter<>:$text);
  let assemblyFormat = "`<` $text `>`";
}

def ONNX_Value : Type<
    Or<[CPred<"::llvm::isa<::mlir::TensorType>($_self)">,
        CPred<"::llvm::isa<::hybrid::onnx::OpaqueType>($_self)">]>,
    "tensor or opaque ONNX value", "::mlir::Type">;

def ONNX_OptionalValue : Type<
    Or<[ONNX_Value.predicate, CPred<"::llvm::isa<::mlir::NoneType>($_self)">]>,
    "tensor, opaque ONNX value, or none", "::mlir::Type">;

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

def ONNX_SourceAttr : AttrDef<ONNX_Dialect, "Source"> {
  let mnemonic = "source";
  let summary = "bytes of a file";
  let description = [{
    `length` bytes at `offset` of `file`, whose path is relative to the folder
    of the model. The bytes are little-endian, row-major and, for elements
    below one byte, packed low bits first.
  }];
  let parameters = (ins
    StringRefParameter<>:$file,
    "uint64_t":$offset,
    "uint64_t":$length
  );
  let assemblyFormat = "`<` $file `,` $offset `,` $length `>`";
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

// Every operand and result of the schema has its place; what a node leaves out
// is a value of type none. Only the last operand or result may be variadic.
class ONNX_Op<string mnemonic, list<Trait> traits = []>
    : Op<ONNX_Dialect, mnemonic, traits> {
  let skipDefaultBuilders = 1;
  let builders = [
    OpBuilder<(ins "::mlir::TypeRange":$resultTypes,
                   "::mlir::ValueRange":$operands,
                   CArg<"::llvm::ArrayRef<::mlir::NamedAttribute>", "{}">
                       :$attributes), [{
      $_state.addOperands(operands);
      $_state.addAttributes(attributes);
      $_state.addTypes(resultTypes);
    }]>
  ];
  let assemblyFormat =
      "`(` operands `)` attr-dict `:` functional-type(operands, results)";
}

#endif // HYBRID_DIALECT_ONNX_BASE_TD
