//===- TensorImport.cpp - Tensors and types of an ONNX file ---------------===//

#include "ImportContext.h"
#include "hybrid/Dialect/ONNX/IR/OperatorInfo.h"
#include "llvm/Support/Path.h"

#include <cstring>

using namespace mlir;
using namespace hybrid;
using onnx::getByteSize;
using onnx::getDataTypeName;
using onnx::getElementType;
using onnx::SourceAttr;

//===----------------------------------------------------------------------===//
// ImportContext
//===----------------------------------------------------------------------===//

ImportContext::ImportContext(StringRef path, MLIRContext *context,
                             const ImportOptions &options)
    : context(context), builder(context), options(options),
      fileName(llvm::sys::path::filename(path)), weights(path),
      fileLoc(FileLineColLoc::get(context, path, 0, 0)) {}

InFlightDiagnostic ImportContext::emitError(Location loc) {
  ++numErrors;
  return mlir::emitError(loc);
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

/// A dimension: its static size, or kDynamic. Some exporters write numbers as
/// names.
static int64_t dimSize(const hybrid_onnx::Shape::Dim &dim) {
  if (dim.has_value())
    return dim.value() >= 0 ? dim.value() : ShapedType::kDynamic;
  int64_t value;
  if (!StringRef(dim.param()).trim().getAsInteger(10, value) && value >= 0)
    return value;
  return ShapedType::kDynamic;
}

static std::string describeOpaque(const hybrid_onnx::Type &type,
                                  unsigned depth = 0) {
  if (depth > 8)
    return "unknown";
  if (type.has_tensor())
    return "tensor(" + getDataTypeName(type.tensor().elem_type()) + ")";
  if (type.has_sparse_tensor())
    return "sparse_tensor(" +
           getDataTypeName(type.sparse_tensor().elem_type()) + ")";
  if (type.has_sequence())
    return "seq(" + describeOpaque(type.sequence().elem_type(), depth + 1) +
           ")";
  if (type.has_optional_type())
    return "optional(" +
           describeOpaque(type.optional_type().elem_type(), depth + 1) + ")";
  if (type.has_map())
    return "map(" + getDataTypeName(type.map().key_type()) + "," +
           describeOpaque(type.map().value_type(), depth + 1) + ")";
  return "unknown";
}

FailureOr<Type> hybrid::importType(ImportContext &context,
                                   const hybrid_onnx::Type &type,
                                   const Twine &what, Location loc) {
  if (!type.has_tensor()) {
    std::string text = describeOpaque(type);
    if (text == "unknown")
      return Type();
    return Type(onnx::OpaqueType::get(context.context, text));
  }
  const hybrid_onnx::Type::Tensor &tensor = type.tensor();
  if (tensor.elem_type() == 0)
    return Type();
  Type element = getElementType(context.context, tensor.elem_type());
  if (!element) {
    context.emitError(loc) << what << " has elements of "
                           << getDataTypeName(tensor.elem_type())
                           << ", which ONNX does not define";
    return failure();
  }
  if (!tensor.has_shape())
    return Type(UnrankedTensorType::get(element));
  SmallVector<int64_t> shape;
  for (const hybrid_onnx::Shape::Dim &dim : tensor.shape().dim())
    shape.push_back(dimSize(dim));
  return Type(RankedTensorType::get(shape, element));
}

ArrayAttr hybrid::importDims(ImportContext &context,
                             const hybrid_onnx::Type &type) {
  if (!type.has_tensor() || !type.tensor().has_shape())
    return ArrayAttr();
  SmallVector<Attribute> dims;
  for (const hybrid_onnx::Shape::Dim &dim : type.tensor().shape().dim()) {
    int64_t size = dimSize(dim);
    if (!ShapedType::isDynamic(size))
      dims.push_back(context.builder.getI64IntegerAttr(size));
    else
      dims.push_back(context.builder.getStringAttr(
          dim.has_value() || dim.param().empty() ? "?" : dim.param()));
  }
  return context.builder.getArrayAttr(dims);
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

namespace {
/// Reads one tensor.
class TensorReader {
public:
  TensorReader(ImportContext &context, const hybrid_onnx::Tensor &tensor,
               const Twine &what, Location loc)
      : context(context), tensor(tensor), what(what.str()), loc(loc) {}

  FailureOr<ImportedTensor> read(bool valueNeeded);

private:
  LogicalResult readType();
  LogicalResult readExternal();
  LogicalResult readInline();
  LogicalResult readStrings();
  LogicalResult readTyped();
  LogicalResult makeValue(ArrayRef<char> bytes);
  FailureOr<uint64_t> readDecimal(StringRef key, StringRef text);
  InFlightDiagnostic error() { return context.emitError(loc) << what << " "; }
  /// Booleans are masks, never weights: passes look at them.
  bool isSmall() const {
    constexpr int64_t kMaxBooleans = 1 << 16;
    int64_t most = context.options.maxConstantElements;
    if (result.type.getElementType().isInteger(1))
      most = std::max(most, kMaxBooleans);
    return result.type.getNumElements() <= most;
  }
  /// Whether `bytes` are no weights but what passes look at: of rank 2 at
  /// least, and one number; or not too many elements that are two numbers
  /// (masks, identity matrices), or whose rows are each the same half twice
  /// (tables of cosine and sine).
  bool isPattern(ArrayRef<char> bytes) const;
  /// The number of different elements: 1, 2, or 3 for more.
  int countNumbers(ArrayRef<char> bytes) const;
  bool areHalvesEqual(ArrayRef<char> bytes) const;
  /// By value if small, a pattern or needed, else by place.
  LogicalResult finish(StringRef file, uint64_t offset, uint64_t length);

  ImportContext &context;
  const hybrid_onnx::Tensor &tensor;
  std::string what;
  Location loc;
  bool valueNeeded = false;
  uint64_t numBytes = 0;
  ImportedTensor result;
};
} // namespace

LogicalResult TensorReader::readType() {
  Type element = getElementType(context.context, tensor.data_type());
  if (!element)
    return error() << "has elements of " << getDataTypeName(tensor.data_type())
                   << ", which ONNX does not define";
  SmallVector<int64_t> shape(tensor.dims().begin(), tensor.dims().end());
  // A string takes no fixed number of bytes; count it as one.
  Type sized = isa<onnx::StringType>(element)
                   ? Type(IntegerType::get(context.context, 8))
                   : element;
  bool negative = llvm::any_of(shape, [](int64_t dim) { return dim < 0; });
  std::optional<uint64_t> size;
  if (!negative)
    size = getByteSize(RankedTensorType::get(shape, sized));
  if (!size || *size > static_cast<uint64_t>(INT64_MAX)) {
    InFlightDiagnostic diagnostic = error() << "has an impossible shape [";
    llvm::interleaveComma(shape, diagnostic);
    return diagnostic << "]";
  }
  result.type = RankedTensorType::get(shape, element);
  numBytes = *size;
  return success();
}

FailureOr<uint64_t> TensorReader::readDecimal(StringRef key, StringRef text) {
  uint64_t value;
  if (text.getAsInteger(10, value)) {
    error() << "has external data with the " << key << " '" << text
            << "', which is not a number of bytes";
    return failure();
  }
  return value;
}

LogicalResult TensorReader::readExternal() {
  StringRef location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
  for (const hybrid_onnx::StringEntry &entry : tensor.external_data()) {
    if (entry.key() == "location") {
      location = entry.value();
      continue;
    }
    if (entry.key() != "offset" && entry.key() != "length")
      continue;
    FailureOr<uint64_t> value = readDecimal(entry.key(), entry.value());
    if (failed(value))
      return failure();
    if (entry.key() == "offset")
      offset = *value;
    else
      length = *value;
  }
  if (location.empty())
    return error() << "has external data without a location";
  if (length && *length != numBytes)
    return error() << "has external data of " << *length << " bytes, but "
                   << result.type << " takes " << numBytes;
  return finish(location, offset, numBytes);
}

LogicalResult TensorReader::finish(StringRef file, uint64_t offset,
                                   uint64_t length) {
  llvm::Expected<ArrayRef<char>> bytes =
      context.weights.get(file, offset, length);
  if (!bytes)
    return error() << "(" << result.type
                   << "): " << llvm::toString(bytes.takeError());
  if (valueNeeded || isSmall() || isPattern(*bytes))
    return makeValue(*bytes);
  result.source = SourceAttr::get(context.context, file, offset, length);
  return success();
}

int TensorReader::countNumbers(ArrayRef<char> bytes) const {
  size_t size = bytes.size() / result.type.getNumElements();
  ArrayRef<char> first = bytes.take_front(size), second;
  for (ArrayRef<char> rest = bytes; !rest.empty();
       rest = rest.drop_front(size)) {
    ArrayRef<char> next = rest.take_front(size);
    if (next == first || next == second)
      continue;
    if (!second.empty())
      return 3;
    second = next;
  }
  return second.empty() ? 1 : 2;
}

bool TensorReader::areHalvesEqual(ArrayRef<char> bytes) const {
  int64_t columns = result.type.getShape().back();
  size_t row = bytes.size() / result.type.getNumElements() * columns;
  for (ArrayRef<char> rest = bytes; !rest.empty(); rest = rest.drop_front(row))
    if (rest.take_front(row / 2) != rest.slice(row / 2, row / 2))
      return false;
  return columns % 2 == 0;
}

bool TensorReader::isPattern(ArrayRef<char> bytes) const {
  constexpr int64_t kMaxElements = 1 << 16, kMaxEqual = 1 << 22;
  Type element = result.type.getElementType();
  int64_t count = result.type.getNumElements();
  // Bytes may be packed zero points, which are weights.
  if (result.type.getRank() < 2 || count < 2 || count > kMaxEqual ||
      !element.isIntOrFloat() || element.getIntOrFloatBitWidth() < 16)
    return false;
  int numbers = countNumbers(bytes);
  return numbers == 1 ||
         (count <= kMaxElements && (numbers == 2 || areHalvesEqual(bytes)));
}

LogicalResult TensorReader::readInline() {
  if (tensor.payload_length() != numBytes)
    return error() << "has " << tensor.payload_length()
                   << " bytes of data, but " << result.type << " takes "
                   << numBytes;
  return finish(context.fileName, tensor.payload_offset(), numBytes);
}

LogicalResult TensorReader::readStrings() {
  if (tensor.string_data_size() != result.type.getNumElements())
    return error() << "has " << tensor.string_data_size()
                   << " strings, but its shape needs "
                   << result.type.getNumElements();
  SmallVector<StringRef> strings(tensor.string_data().begin(),
                                 tensor.string_data().end());
  result.value = DenseStringElementsAttr::get(result.type, strings);
  return success();
}

template <typename Target, typename Source>
static void appendAs(const Source &values, std::vector<char> &bytes) {
  for (auto value : values) {
    Target converted = static_cast<Target>(value);
    const char *begin = reinterpret_cast<const char *>(&converted);
    bytes.insert(bytes.end(), begin, begin + sizeof(Target));
  }
}

/// Elements in the typed fields of the message, one number per entry; entries
/// of types below one byte hold packed bytes.
LogicalResult TensorReader::readTyped() {
  Type element = result.type.getElementType();
  std::vector<char> bytes;
  if (isa<Float32Type>(element) ||
      element == ComplexType::get(Float32Type::get(context.context)))
    appendAs<float>(tensor.float_data(), bytes);
  else if (isa<Float64Type>(element) ||
           element == ComplexType::get(Float64Type::get(context.context)))
    appendAs<double>(tensor.double_data(), bytes);
  else if (element.isSignlessInteger(64))
    appendAs<int64_t>(tensor.int64_data(), bytes);
  else if (element.isUnsignedInteger(64))
    appendAs<uint64_t>(tensor.uint64_data(), bytes);
  else if (element.isUnsignedInteger(32))
    appendAs<uint32_t>(tensor.uint64_data(), bytes);
  else if (element.getIntOrFloatBitWidth() == 32)
    appendAs<int32_t>(tensor.int32_data(), bytes);
  else if (element.getIntOrFloatBitWidth() == 16)
    appendAs<uint16_t>(tensor.int32_data(), bytes);
  else
    appendAs<uint8_t>(tensor.int32_data(), bytes);
  if (bytes.size() != numBytes)
    return error() << "has data for " << bytes.size() << " bytes, but "
                   << result.type << " takes " << numBytes;
  return makeValue(bytes);
}

/// Widens packed elements of `width` bits to one byte each, low bits first.
static std::vector<char> unpack(ArrayRef<char> bytes, unsigned width,
                                int64_t count) {
  std::vector<char> elements(count);
  unsigned perByte = 8 / width;
  uint8_t mask = (1u << width) - 1;
  for (int64_t i = 0; i < count; ++i) {
    uint8_t byte = bytes[i / perByte];
    elements[i] = static_cast<char>(byte >> (i % perByte * width) & mask);
  }
  return elements;
}

/// `bytes` as in a file: little-endian, packed.
LogicalResult TensorReader::makeValue(ArrayRef<char> bytes) {
  Type element = result.type.getElementType();
  int64_t count = result.type.getNumElements();
  if (element.isInteger(1)) {
    SmallVector<bool> bools;
    for (char byte : bytes)
      bools.push_back(byte != 0);
    result.value = DenseElementsAttr::get(result.type, ArrayRef<bool>(bools));
    return success();
  }
  std::vector<char> unpacked;
  if (element.isIntOrFloat() && element.getIntOrFloatBitWidth() < 8) {
    unpacked = unpack(bytes, element.getIntOrFloatBitWidth(), count);
    bytes = unpacked;
  }
  // One element stands for all when all are equal.
  if (count > 1) {
    size_t size = bytes.size() / count;
    if (std::memcmp(bytes.data(), bytes.data() + size, bytes.size() - size) ==
        0)
      bytes = bytes.take_front(size);
  }
  result.value = DenseElementsAttr::getFromRawBuffer(result.type, bytes);
  return success();
}

FailureOr<ImportedTensor> TensorReader::read(bool needed) {
  valueNeeded = needed;
  if (failed(readType()))
    return failure();
  LogicalResult done = success();
  if (isa<onnx::StringType>(result.type.getElementType()))
    done = readStrings();
  else if (tensor.data_location() == 1)
    done = readExternal();
  else if (tensor.has_payload_offset())
    done = readInline();
  else
    done = readTyped();
  if (failed(done))
    return failure();
  return result;
}

FailureOr<ImportedTensor>
hybrid::importTensor(ImportContext &context, const hybrid_onnx::Tensor &tensor,
                     const Twine &what, Location loc, bool valueNeeded) {
  return TensorReader(context, tensor, what, loc).read(valueNeeded);
}
