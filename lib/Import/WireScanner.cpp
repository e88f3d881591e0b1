//===- WireScanner.cpp - Take the weights out of an ONNX file -------------===//
//
// A recursive walk over the protobuf wire format, driven by one small table per
// message: which fields are copied, which are messages to walk into, and which
// are dropped. Fields that no table mentions are dropped, so that nothing from
// the file can pass for the fields that the scanner itself writes.
//
//===----------------------------------------------------------------------===//

#include "WireScanner.h"
#include "llvm/Support/FormatVariadic.h"

#include <optional>

using namespace llvm;
using namespace hybrid;

namespace {
enum class Message {
  Model,
  Graph,
  Node,
  Attribute,
  Tensor,
  Function,
  /// Copied as it is: nothing in it is large.
  Leaf
};

struct FieldRule {
  unsigned number;
  Message message;
};

struct MessageRule {
  StringRef name;
  SmallVector<FieldRule, 16> fields;
};

enum WireType : unsigned {
  Varint = 0,
  Fixed64 = 1,
  LengthDelimited = 2,
  Fixed32 = 5
};

struct Field {
  unsigned number;
  WireType type;
  /// From the tag to the end of the value.
  size_t begin, end;
  /// The value; for LengthDelimited, without its length.
  size_t valueBegin;
};

constexpr unsigned kFloatData = 4;
constexpr unsigned kRawData = 9;
constexpr unsigned kDoubleData = 10;
constexpr unsigned kPayloadOffset = 100001;
constexpr unsigned kPayloadLength = 100002;
/// Packed floating-point data of at least this many bytes stays in the file.
constexpr size_t kMinPackedPayload = 512;
/// The parser's own limit is 100 messages; a subgraph takes three.
constexpr unsigned kMaxDepth = 96;
/// A graph this large (without weights) is no graph. Small fields grow when
/// they are parsed, so their number is bounded too.
constexpr size_t kMaxStripped = size_t(1) << 29;
constexpr size_t kMaxFields = size_t(1) << 24;

class Scanner {
public:
  explicit Scanner(ArrayRef<char> bytes) : bytes(bytes) {}

  Error scan(Message message, size_t begin, size_t end, unsigned depth,
             std::string &out);

private:
  Expected<Field> readField(Message message, size_t &position, size_t end);
  std::optional<uint64_t> readVarint(size_t &position, size_t end) const;
  Error scanTensor(size_t begin, size_t end, std::string &out);
  Error damaged(Message message, size_t position, StringRef what) const;
  Error checkSize(const std::string &out) const;

  ArrayRef<char> bytes;
  size_t numFields = 0;
};
} // namespace

static const MessageRule &ruleOf(Message message) {
  static const MessageRule model{"ModelProto",
                                 {{1, Message::Leaf},
                                  {2, Message::Leaf},
                                  {3, Message::Leaf},
                                  {7, Message::Graph},
                                  {8, Message::Leaf},
                                  {25, Message::Function}}};
  static const MessageRule graph{"GraphProto",
                                 {{1, Message::Node},
                                  {2, Message::Leaf},
                                  {5, Message::Tensor},
                                  {11, Message::Leaf},
                                  {12, Message::Leaf},
                                  {13, Message::Leaf},
                                  {15, Message::Leaf}}};
  static const MessageRule node{"NodeProto",
                                {{1, Message::Leaf},
                                 {2, Message::Leaf},
                                 {3, Message::Leaf},
                                 {4, Message::Leaf},
                                 {5, Message::Attribute},
                                 {7, Message::Leaf},
                                 {8, Message::Leaf}}};
  static const MessageRule attribute{"AttributeProto",
                                     {{1, Message::Leaf},
                                      {2, Message::Leaf},
                                      {3, Message::Leaf},
                                      {4, Message::Leaf},
                                      {5, Message::Tensor},
                                      {6, Message::Graph},
                                      {7, Message::Leaf},
                                      {8, Message::Leaf},
                                      {9, Message::Leaf},
                                      {10, Message::Tensor},
                                      {11, Message::Graph},
                                      {14, Message::Leaf},
                                      {15, Message::Leaf},
                                      {20, Message::Leaf},
                                      {21, Message::Leaf},
                                      {22, Message::Leaf},
                                      {23, Message::Leaf}}};
  static const MessageRule tensor{"TensorProto",
                                  {{1, Message::Leaf},
                                   {2, Message::Leaf},
                                   {4, Message::Leaf},
                                   {5, Message::Leaf},
                                   {6, Message::Leaf},
                                   {7, Message::Leaf},
                                   {8, Message::Leaf},
                                   {10, Message::Leaf},
                                   {11, Message::Leaf},
                                   {13, Message::Leaf},
                                   {14, Message::Leaf}}};
  static const MessageRule function{"FunctionProto",
                                    {{1, Message::Leaf},
                                     {4, Message::Leaf},
                                     {5, Message::Leaf},
                                     {6, Message::Leaf},
                                     {7, Message::Node},
                                     {9, Message::Leaf},
                                     {10, Message::Leaf},
                                     {11, Message::Attribute},
                                     {12, Message::Leaf},
                                     {13, Message::Leaf}}};
  static const MessageRule leaf{"message", {}};
  switch (message) {
  case Message::Model:
    return model;
  case Message::Graph:
    return graph;
  case Message::Node:
    return node;
  case Message::Attribute:
    return attribute;
  case Message::Tensor:
    return tensor;
  case Message::Function:
    return function;
  case Message::Leaf:
    return leaf;
  }
  return leaf;
}

static std::optional<Message> lookup(Message message, unsigned field) {
  for (const FieldRule &rule : ruleOf(message).fields)
    if (rule.number == field)
      return rule.message;
  return std::nullopt;
}

static void writeVarint(uint64_t value, std::string &out) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

static void writeTag(unsigned number, WireType type, std::string &out) {
  writeVarint(uint64_t(number) << 3 | type, out);
}

Error Scanner::damaged(Message message, size_t position, StringRef what) const {
  return createStringError(inconvertibleErrorCode(),
                           formatv("the file is truncated or damaged: {0} in "
                                   "{1} at byte {2} of {3}",
                                   what, ruleOf(message).name, position,
                                   bytes.size())
                               .str());
}

Error Scanner::checkSize(const std::string &out) const {
  if (out.size() <= kMaxStripped && numFields <= kMaxFields)
    return Error::success();
  return createStringError(
      inconvertibleErrorCode(),
      formatv("the graph takes more than {0} bytes or {1} fields without its "
              "weights",
              kMaxStripped, kMaxFields)
          .str());
}

std::optional<uint64_t> Scanner::readVarint(size_t &position,
                                            size_t end) const {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && position < end; shift += 7) {
    uint8_t byte = bytes[position++];
    value |= uint64_t(byte & 0x7f) << shift;
    if (byte < 0x80)
      return value;
  }
  return std::nullopt;
}

Expected<Field> Scanner::readField(Message message, size_t &position,
                                   size_t end) {
  ++numFields;
  Field field;
  field.begin = position;
  std::optional<uint64_t> tag = readVarint(position, end);
  if (!tag || *tag >> 3 == 0 || *tag >> 32 != 0)
    return damaged(message, field.begin, "a bad field tag");
  field.number = *tag >> 3;
  field.type = static_cast<WireType>(*tag & 7);
  field.valueBegin = position;
  uint64_t length = 0;
  switch (field.type) {
  case Varint:
    if (!readVarint(position, end))
      return damaged(message, field.begin, "a bad integer");
    break;
  case Fixed64:
    length = 8;
    break;
  case Fixed32:
    length = 4;
    break;
  case LengthDelimited: {
    std::optional<uint64_t> stated = readVarint(position, end);
    if (!stated)
      return damaged(message, field.begin, "a bad length");
    length = *stated;
    field.valueBegin = position;
    break;
  }
  default:
    return damaged(message, field.begin, "an unknown kind of field");
  }
  if (length > end - position)
    return damaged(
        message, field.begin,
        formatv("field {0}, which runs past its end,", field.number).str());
  position += length;
  field.end = position;
  return field;
}

/// Tensors are flat. The last raw_data counts, as it does for a parser; packed
/// floats count if they come in one piece.
Error Scanner::scanTensor(size_t begin, size_t end, std::string &out) {
  std::optional<Field> payload;
  std::string rest;
  SmallVector<Field, 1> packed;
  for (size_t position = begin; position < end;) {
    Expected<Field> field = readField(Message::Tensor, position, end);
    if (!field)
      return field.takeError();
    bool isBytes = field->type == LengthDelimited;
    if (field->number == kRawData && isBytes)
      payload = *field;
    else if (field->number == kFloatData || field->number == kDoubleData)
      packed.push_back(*field);
    else if (lookup(Message::Tensor, field->number))
      rest.append(bytes.data() + field->begin, field->end - field->begin);
  }
  bool inPlace =
      !payload && packed.size() == 1 &&
      packed.front().type == LengthDelimited &&
      packed.front().end - packed.front().valueBegin >= kMinPackedPayload;
  if (inPlace)
    payload = packed.front();
  else
    for (const Field &field : packed)
      rest.append(bytes.data() + field.begin, field.end - field.begin);
  if (payload) {
    writeTag(kPayloadOffset, Varint, rest);
    writeVarint(payload->valueBegin, rest);
    writeTag(kPayloadLength, Varint, rest);
    writeVarint(payload->end - payload->valueBegin, rest);
  }
  out += rest;
  return Error::success();
}

Error Scanner::scan(Message message, size_t begin, size_t end, unsigned depth,
                    std::string &out) {
  if (message == Message::Tensor)
    return scanTensor(begin, end, out);
  if (depth > kMaxDepth)
    return createStringError(
        inconvertibleErrorCode(),
        formatv("subgraphs nest too deeply (more than {0} messages) at byte "
                "{1}",
                kMaxDepth, begin)
            .str());
  for (size_t position = begin; position < end;) {
    Expected<Field> field = readField(message, position, end);
    if (!field)
      return field.takeError();
    std::optional<Message> inner = lookup(message, field->number);
    if (!inner)
      continue;
    if (*inner == Message::Leaf || field->type != LengthDelimited) {
      out.append(bytes.data() + field->begin, field->end - field->begin);
      continue;
    }
    std::string nested;
    if (Error error =
            scan(*inner, field->valueBegin, field->end, depth + 1, nested))
      return error;
    writeTag(field->number, LengthDelimited, out);
    writeVarint(nested.size(), out);
    out += nested;
    if (Error error = checkSize(out))
      return error;
  }
  return checkSize(out);
}

Expected<std::string> hybrid::stripPayloads(ArrayRef<char> bytes) {
  std::string out;
  Scanner scanner(bytes);
  if (Error error = scanner.scan(Message::Model, 0, bytes.size(), 0, out))
    return std::move(error);
  return out;
}
