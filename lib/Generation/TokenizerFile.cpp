//===- TokenizerFile.cpp - reading tokenizer.json -------------------------===//
//
// The format of the package `tokenizers`: normalizer, added tokens, pre-
// tokenizer, model, post-processor and decoder, each of many kinds. Accepted
// are those combinations that map each byte to a token of its own; truncation
// and padding are not applied.
//
//===----------------------------------------------------------------------===//

#include "JsonFile.h"

#include "hybrid/Generation/Error.h"
#include "hybrid/Generation/Tokenizer.h"

#include <algorithm>
#include <set>

using namespace hybrid;
using nlohmann::json;

static constexpr size_t maxAddedTokens = 65536;

class Tokenizer::Reader {
public:
  Reader(const json &document, const std::string &name)
      : document(document), name(name) {}

  Tokenizer read() {
    if (!document.is_object() || !member(document, "model"))
      damaged("it has no \"model\"");
    readVocabulary(*member(document, "model"));
    readNormalizer();
    readPreTokenizer();
    readDecoder();
    readAddedTokens();
    if (const json *processor = member(document, "post_processor"))
      readPostProcessor(*processor);
    finish();
    return std::move(result);
  }

private:
  [[noreturn]] void damaged(const std::string &why) const {
    throw GenerationError("'" + name + "' is no tokenizer: " + why);
  }

  [[noreturn]] void unsupported(const std::string &what) const {
    throw GenerationError(
        "'" + name + "' has " + what +
        ". Only byte-level tokenizers without merges are built in; the Python "
        "package (python -m hybrid generate) handles all others, and token ids "
        "(--prompt-ids) work with any");
  }

  //===--------------------------------------------------------------------===//
  // Model
  //===--------------------------------------------------------------------===//

  void readVocabulary(const json &model) {
    checkModel(model);
    const json *vocabulary = member(model, "vocab");
    if (!vocabulary || !vocabulary->is_object())
      damaged("its model has no \"vocab\" object");
    result.idOfByte.fill(-1);
    result.largest = 0;
    for (const auto &[token, value] : vocabulary->items()) {
      const std::optional<int64_t> id = tokenId(value);
      if (!id)
        damaged("the id of the token '" + token + "' is not an id");
      addToken(token, *id);
      const std::string bytes = bytesOf(token).value_or("");
      if (bytes.size() == 1)
        result.idOfByte[static_cast<unsigned char>(bytes[0])] = *id;
      else if (isTrue(model, "ignore_merges"))
        unsupported("a vocabulary of whole words (ignore_merges)");
    }
    const auto absent =
        std::find(result.idOfByte.begin(), result.idOfByte.end(), -1);
    if (absent != result.idOfByte.end())
      unsupported("no token for the byte " +
                  std::to_string(absent - result.idOfByte.begin()));
  }

  void checkModel(const json &model) const {
    const json *merges = member(model, "merges");
    std::string type = textMember(model, "type");
    // Files of old versions leave the type out.
    if (type.empty() && merges)
      type = "BPE";
    if (type != "BPE")
      unsupported(type.empty() ? "a model without a type"
                               : "a model of the kind " + type);
    if (merges && !merges->is_array())
      damaged("its \"merges\" are not an array");
    if (merges && !merges->empty())
      unsupported("a BPE model with " + std::to_string(merges->size()) +
                  " merges");
    for (const char *key : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (!textMember(model, key).empty())
        unsupported(std::string("a BPE model with ") + key);
  }

  void addToken(const std::string &token, int64_t id) {
    if (!result.bytesOfId.emplace(id, bytesOf(token).value_or(token)).second)
      damaged("the id " + std::to_string(id) + " has two tokens");
    ids.emplace(token, id);
    result.largest = std::max(result.largest, id);
  }

  /// The bytes that a token's characters stand for: printable Latin-1
  /// characters for themselves, U+0100, U+0101, … for the other bytes in order.
  /// (The table is GPT-2's.) Nothing if a character stands for no byte.
  static std::optional<std::string> bytesOf(const std::string &token) {
    static const std::vector<int> bytes = [] {
      std::vector<int> table(256, -1);
      for (int byte = 0; byte < 256; ++byte) {
        const bool printable = (byte >= '!' && byte <= '~') ||
                               (byte >= 0xa1 && byte <= 0xff && byte != 0xad);
        if (printable)
          table[byte] = byte;
        else
          table.push_back(byte);
      }
      return table;
    }();
    std::string result;
    for (size_t i = 0; i < token.size(); ++i) {
      unsigned code = static_cast<unsigned char>(token[i]);
      // Strings of a parsed document are UTF-8; all these have 1 or 2 bytes.
      if (code >= 0xc0 && code < 0xe0 && i + 1 < token.size())
        code = (code & 0x1f) << 6 |
               (static_cast<unsigned char>(token[++i]) & 0x3f);
      else if (code >= 0x80)
        return std::nullopt;
      if (code >= bytes.size() || bytes[code] < 0)
        return std::nullopt;
      result += char(bytes[code]);
    }
    return result;
  }

  //===--------------------------------------------------------------------===//
  // The steps before and after it
  //===--------------------------------------------------------------------===//

  /// The parts of a "Sequence", else the part itself.
  std::vector<const json *> parts(const json &step, const char *key) const {
    if (textMember(step, "type") != "Sequence")
      return {&step};
    const json *list = member(step, key);
    if (!list || !list->is_array())
      damaged(std::string("a Sequence has no \"") + key + "\"");
    std::vector<const json *> result;
    for (const json &part : *list)
      result.push_back(&part);
    return result;
  }

  static std::string kindOf(const json &step) {
    const std::string type = textMember(step, "type");
    return type.empty() ? "without a type" : "of the kind " + type;
  }

  void readNormalizer() const {
    const json *normalizer = member(document, "normalizer");
    if (!normalizer)
      return;
    for (const json *part : parts(*normalizer, "normalizers"))
      unsupported("a normalizer " + kindOf(*part));
  }

  void readPreTokenizer() {
    const json *preTokenizer = member(document, "pre_tokenizer");
    if (!preTokenizer)
      unsupported("no ByteLevel pre-tokenizer");
    bool byteLevel = false;
    const auto list = parts(*preTokenizer, "pretokenizers");
    for (const json *part : list) {
      const std::string type = textMember(*part, "type");
      // Where a text is split does not matter without merges.
      const bool splits =
          type == "Digits" ||
          (type == "Split" && textMember(*part, "behavior") != "Removed");
      if (type != "ByteLevel" && (!splits || byteLevel))
        unsupported("a pre-tokenizer " + kindOf(*part));
      // Its default is true.
      const json *space = member(*part, "add_prefix_space");
      result.prefixSpace =
          type == "ByteLevel" && !(space && *space == json(false));
      if (byteLevel || (result.prefixSpace && list.size() > 1))
        unsupported("pre-tokenizers that put spaces between");
      byteLevel |= type == "ByteLevel";
    }
    if (!byteLevel)
      unsupported("no ByteLevel pre-tokenizer");
  }

  void readDecoder() const {
    const json *decoder = member(document, "decoder");
    if (!decoder)
      unsupported("no ByteLevel decoder");
    const auto list = parts(*decoder, "decoders");
    if (list.size() != 1 || textMember(*list[0], "type") != "ByteLevel")
      unsupported(list.size() == 1 ? "a decoder " + kindOf(*list[0])
                                   : "several decoders");
  }

  void readPostProcessor(const json &processor) {
    for (const json *part : parts(processor, "processors")) {
      const std::string type = textMember(*part, "type");
      if (type == "TemplateProcessing")
        readTemplate(*part);
      else if (type != "ByteLevel") // changes offsets only
        unsupported("a post-processor " + kindOf(*part));
    }
  }

  void readTemplate(const json &processor) {
    const json *single = member(processor, "single");
    if (!single || !single->is_array())
      damaged("a TemplateProcessing has no \"single\" array");
    bool after = false;
    std::vector<int64_t> prefix, suffix;
    for (const json &piece : *single) {
      if (member(piece, "Sequence")) {
        if (after)
          unsupported("a post-processor that repeats the text");
        after = true;
        continue;
      }
      const json *token = member(piece, "SpecialToken");
      if (!token)
        damaged("a TemplateProcessing has a piece that is neither Sequence nor "
                "SpecialToken");
      for (const int64_t id : templateIds(processor, textMember(*token, "id")))
        (after ? suffix : prefix).push_back(id);
    }
    if (!after)
      unsupported("a post-processor that drops the text");
    result.prefix.insert(result.prefix.begin(), prefix.begin(), prefix.end());
    result.suffix.insert(result.suffix.end(), suffix.begin(), suffix.end());
  }

  std::vector<int64_t> templateIds(const json &processor,
                                   const std::string &token) const {
    const json *tokens = member(processor, "special_tokens");
    const json *entry = tokens ? member(*tokens, token.c_str()) : nullptr;
    const json *list = entry ? member(*entry, "ids") : nullptr;
    if (!list || !list->is_array())
      damaged("the post-processor's token '" + token + "' has no ids");
    std::vector<int64_t> result;
    for (const json &value : *list) {
      const std::optional<int64_t> id = tokenId(value);
      if (!id)
        damaged("the post-processor's token '" + token +
                "' has an id that is none");
      result.push_back(*id);
    }
    return result;
  }

  //===--------------------------------------------------------------------===//
  // Added tokens
  //===--------------------------------------------------------------------===//

  void readAddedTokens() {
    const json *list = member(document, "added_tokens");
    if (!list)
      return;
    if (!list->is_array())
      damaged("its \"added_tokens\" are not an array");
    if (list->size() > maxAddedTokens)
      unsupported("more than " + std::to_string(maxAddedTokens) +
                  " added tokens");
    for (const json &token : *list)
      readAddedToken(token);
  }

  void readAddedToken(const json &token) {
    const std::string content = textMember(token, "content");
    const json *value = member(token, "id");
    const std::optional<int64_t> id = value ? tokenId(*value) : std::nullopt;
    if (content.empty() || !id)
      damaged("an added token has no content or no id");
    for (const char *key : {"single_word", "lstrip", "rstrip"})
      if (isTrue(token, key))
        unsupported("an added token '" + content + "' with " + key);
    const auto known = ids.find(content);
    if (known == ids.end())
      addToken(content, *id);
    else if (known->second != *id)
      damaged("the token '" + content + "' has two ids");
    if (isTrue(token, "special"))
      result.special.insert(*id);
    result.added[content] = {*id, !isTrue(token, "normalized")};
  }

  void finish() {
    std::set<size_t> lengths[2];
    for (const auto &[content, token] : result.added)
      lengths[token.early].insert(content.size());
    for (int early : {0, 1})
      result.addedLengths[early].assign(lengths[early].rbegin(),
                                        lengths[early].rend());
  }

  const json &document;
  const std::string &name;
  Tokenizer result;
  std::unordered_map<std::string, int64_t> ids;
};

Tokenizer Tokenizer::fromJson(const std::string &text,
                              const std::string &name) {
  return Reader(parseJson(text, name), name).read();
}

Tokenizer Tokenizer::fromFile(const std::string &path) {
  return fromJson(readTextFile(path), path);
}
