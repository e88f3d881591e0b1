//===- OperatorInfo.cpp - What the dialect knows about operators ----------===//

#include "hybrid/Dialect/ONNX/IR/OperatorInfo.h"
#include "hybrid/Dialect/ONNX/IR/ONNXDialect.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSwitch.h"

#include <deque>

using namespace mlir;
using namespace hybrid::onnx;

namespace {
/// One line of the generated table.
struct Row {
  StringRef domain, name, versions;
  int64_t layoutSince;
  StringRef inputs, outputs, attributes, moved;
};

constexpr Row kTable[] = {
#include "OperatorTable.inc"
};

/// The table, parsed.
class Registry {
public:
  Registry() {
    for (const Row &row : kTable)
      add(row);
  }
  const OperatorInfo *lookup(StringRef opName) const {
    return byOpName.lookup(opName);
  }

private:
  void add(const Row &row);

  std::deque<OperatorInfo> storage;
  llvm::StringMap<const OperatorInfo *> byOpName;
};
} // namespace

static SmallVector<StringRef> words(StringRef text, char separator = ' ') {
  SmallVector<StringRef> parts;
  text.split(parts, separator, /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  return parts;
}

static int64_t toInteger(StringRef text) {
  int64_t value = 0;
  text.getAsInteger(10, value);
  return value;
}

static OperatorInfo::Output parseOutput(StringRef text) {
  auto [name, type] = text.split('=');
  OperatorInfo::Output output;
  output.variadic = name.consume_back("*");
  output.optional = name.consume_back("?");
  output.name = name;
  if (!type.consume_front("#")) {
    output.elementType = type;
    return output;
  }
  for (StringRef index : words(type, ','))
    output.sameAs.push_back(toInteger(index));
  return output;
}

static std::string makeOpName(StringRef domain, StringRef name) {
  return (domain.empty() ? "onnx." : "onnx.ms.") + name.str();
}

void Registry::add(const Row &row) {
  OperatorInfo &info = storage.emplace_back();
  info.domain = row.domain;
  info.name = row.name;
  info.opName = makeOpName(row.domain, row.name);
  info.layoutSince = row.layoutSince;
  for (StringRef version : words(row.versions))
    info.versions.push_back(toInteger(version));
  for (StringRef name : words(row.inputs)) {
    bool variadic = name.consume_back("*");
    bool optional = name.consume_back("?");
    info.inputs.push_back({name, optional, variadic});
  }
  for (StringRef text : words(row.outputs))
    info.outputs.push_back(parseOutput(text));
  for (StringRef text : words(row.attributes)) {
    auto [name, kind] = text.split(':');
    info.attributes.push_back({name, kind.front(), kind.ends_with("!")});
  }
  for (StringRef text : words(row.moved)) {
    auto [name, input] = text.split('=');
    info.moved.push_back({name, static_cast<unsigned>(toInteger(input))});
  }
  byOpName[info.opName] = &info;
}

static const Registry &getRegistry() {
  static const Registry registry;
  return registry;
}

const OperatorInfo::Attribute *
OperatorInfo::getAttribute(StringRef name) const {
  auto found =
      llvm::find_if(attributes, [&](auto &a) { return a.name == name; });
  return found == attributes.end() ? nullptr : found;
}

const OperatorInfo *OperatorInfo::lookup(StringRef domain, StringRef name) {
  if (!domain.empty() && domain != "com.microsoft")
    return nullptr;
  return getRegistry().lookup(makeOpName(domain, name));
}

const OperatorInfo *OperatorInfo::lookup(Operation *op) {
  return getRegistry().lookup(op->getName().getStringRef());
}

//===----------------------------------------------------------------------===//
// Data types
//===----------------------------------------------------------------------===//

namespace {
struct DataType {
  StringRef name;
  Type (*get)(MLIRContext *);
};
} // namespace

template <unsigned width, IntegerType::SignednessSemantics signedness>
static Type integer(MLIRContext *context) {
  return IntegerType::get(context, width, signedness);
}
template <unsigned width>
constexpr auto signlessType = integer<width, IntegerType::Signless>;
template <unsigned width>
constexpr auto unsignedType = integer<width, IntegerType::Unsigned>;

template <typename T>
static Type simple(MLIRContext *context) {
  return T::get(context);
}

template <typename T>
static Type complexOf(MLIRContext *context) {
  return ComplexType::get(T::get(context));
}

/// By ONNX's number.
static constexpr DataType kDataTypes[] = {
    {"UNDEFINED", nullptr},
    {"FLOAT", simple<Float32Type>},
    {"UINT8", unsignedType<8>},
    {"INT8", signlessType<8>},
    {"UINT16", unsignedType<16>},
    {"INT16", signlessType<16>},
    {"INT32", signlessType<32>},
    {"INT64", signlessType<64>},
    {"STRING", simple<StringType>},
    {"BOOL", signlessType<1>},
    {"FLOAT16", simple<Float16Type>},
    {"DOUBLE", simple<Float64Type>},
    {"UINT32", unsignedType<32>},
    {"UINT64", unsignedType<64>},
    {"COMPLEX64", complexOf<Float32Type>},
    {"COMPLEX128", complexOf<Float64Type>},
    {"BFLOAT16", simple<BFloat16Type>},
    {"FLOAT8E4M3FN", simple<Float8E4M3FNType>},
    {"FLOAT8E4M3FNUZ", simple<Float8E4M3FNUZType>},
    {"FLOAT8E5M2", simple<Float8E5M2Type>},
    {"FLOAT8E5M2FNUZ", simple<Float8E5M2FNUZType>},
    {"UINT4", unsignedType<4>},
    {"INT4", signlessType<4>},
    {"FLOAT4E2M1", simple<Float4E2M1FNType>},
    {"FLOAT8E8M0", simple<Float8E8M0FNUType>},
    {"UINT2", unsignedType<2>},
    {"INT2", signlessType<2>},
};

Type hybrid::onnx::getElementType(MLIRContext *context, int64_t dataType) {
  if (dataType < 1 || dataType >= static_cast<int64_t>(std::size(kDataTypes)))
    return Type();
  return kDataTypes[dataType].get(context);
}

std::optional<int64_t> hybrid::onnx::getDataType(Type elementType) {
  for (size_t i = 1; i < std::size(kDataTypes); ++i)
    if (kDataTypes[i].get(elementType.getContext()) == elementType)
      return i;
  return std::nullopt;
}

std::string hybrid::onnx::getDataTypeName(int64_t dataType) {
  if (dataType < 0 || dataType >= static_cast<int64_t>(std::size(kDataTypes)))
    return "data type " + std::to_string(dataType);
  return kDataTypes[dataType].name.str();
}

//===----------------------------------------------------------------------===//
// Element types of results
//===----------------------------------------------------------------------===//

static Type parseElementType(StringRef code, MLIRContext *context) {
  return llvm::StringSwitch<Type>(code)
      .Case("f32", Float32Type::get(context))
      .Case("f16", Float16Type::get(context))
      .Case("i64", IntegerType::get(context, 64))
      .Case("i32", IntegerType::get(context, 32))
      .Case("i8", IntegerType::get(context, 8))
      .Case("i1", IntegerType::get(context, 1))
      .Case("ui8", IntegerType::get(context, 8, IntegerType::Unsigned))
      .Default(Type());
}

Type hybrid::onnx::getElementTypeOrNull(Type type) {
  auto tensor = dyn_cast_or_null<TensorType>(type);
  return tensor ? tensor.getElementType() : Type();
}

namespace {
/// The rules behind "@" in the table.
class ElementTypeRules {
public:
  ElementTypeRules(TypeRange operands, const NamedAttrList &attributes,
                   MLIRContext *context)
      : operands(operands), attributes(attributes), context(context) {}

  Type infer(StringRef name) const {
    if (name == "Cast" || name == "BitCast")
      return named("to", Type());
    if (name == "Constant" || name == "ConstantOfShape")
      return valueType();
    if (name == "QuantizeLinear")
      return quantized();
    if (name == "DequantizeLinear")
      return named("output_dtype", operand(1));
    if (name.ends_with("Window") || name == "MelWeightMatrix")
      return named("output_datatype", Float32Type::get(context));
    if (name == "Multinomial")
      return named("dtype", IntegerType::get(context, 32));
    if (name == "RandomNormal" || name == "RandomUniform")
      return named("dtype", Float32Type::get(context));
    // EyeLike, Bernoulli, RandomNormalLike, RandomUniformLike.
    return named("dtype", operand(0));
  }

private:
  Type operand(unsigned index) const {
    if (index >= operands.size())
      return Type();
    return getElementTypeOrNull(operands[index]);
  }

  /// The type that attribute `name` numbers; `otherwise` if it is absent or 0.
  Type named(StringRef name, Type otherwise) const {
    auto attribute = dyn_cast_or_null<IntegerAttr>(attributes.get(name));
    if (!attribute || attribute.getInt() == 0)
      return otherwise;
    return getElementType(context, attribute.getInt());
  }

  Type valueType() const {
    auto value = dyn_cast_or_null<ElementsAttr>(attributes.get("value"));
    return value ? value.getElementType() : Float32Type::get(context);
  }

  Type quantized() const {
    if (Type zeroPoint = operand(2))
      return zeroPoint;
    return named("output_dtype",
                 IntegerType::get(context, 8, IntegerType::Unsigned));
  }

  TypeRange operands;
  const NamedAttrList &attributes;
  MLIRContext *context;
};
} // namespace

Type hybrid::onnx::inferElementType(const OperatorInfo &info, unsigned index,
                                    TypeRange operands,
                                    const NamedAttrList &attributes,
                                    MLIRContext *context) {
  if (info.outputs.empty())
    return Type();
  unsigned formal = std::min<unsigned>(index, info.outputs.size() - 1);
  const OperatorInfo::Output &output = info.outputs[formal];
  if (output.elementType == "@")
    return ElementTypeRules(operands, attributes, context).infer(info.name);
  if (!output.elementType.empty())
    return parseElementType(output.elementType, context);
  for (unsigned i : output.sameAs)
    if (i < operands.size())
      if (Type type = getElementTypeOrNull(operands[i]))
        return type;
  return Type();
}
