//===- TokenizerTest.cpp - text to ids and back ---------------------------===//

#include "Files.h"

#include "hybrid/Generation/Tokenizer.h"

#include <gtest/gtest.h>

#include <random>
#include <sys/stat.h>

using namespace hybrid;
using namespace hybrid::test;

namespace {

using Ids = std::vector<int64_t>;

Tokenizer parse(const Json &json) {
  return Tokenizer::fromJson(json.dump(), "t.json");
}

Json plain() {
  return byteTokenizer([](int byte) { return byte; });
}

/// The message for a tokenizer that is not supported.
std::string refusal(const Json &json) {
  const std::string message = errorOf([&] { parse(json); });
  EXPECT_NE(message.find("'t.json' has "), std::string::npos) << message;
  EXPECT_NE(message.find("python -m hybrid generate"), std::string::npos);
  EXPECT_NE(message.find("--prompt-ids"), std::string::npos);
  return message;
}

std::string damage(const std::string &text) {
  return errorOf([&] { Tokenizer::fromJson(text, "t.json"); });
}

bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

} // namespace

//===----------------------------------------------------------------------===//
// UTF-8
//===----------------------------------------------------------------------===//

static std::string wholeUtf8(const std::string &bytes) {
  Utf8Stream stream;
  const std::string text = stream.feed(bytes);
  return text + stream.finish();
}

TEST(Utf8Stream, HoldsBackIncompleteCharacters) {
  Utf8Stream stream;
  EXPECT_EQ(stream.feed("a\xf0"), "a");
  EXPECT_EQ(stream.feed("\x9f\x98"), "");
  EXPECT_EQ(stream.feed("\x80z"), "\xf0\x9f\x98\x80z");
  EXPECT_EQ(stream.feed("\xe2\x82"), "");
  EXPECT_EQ(stream.finish(), "\xef\xbf\xbd");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Utf8Stream, ReplacesMaximalSubparts) {
  const std::string r = "\xef\xbf\xbd";
  // The example of the Unicode Standard, section 3.9.
  EXPECT_EQ(wholeUtf8("\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64"),
            "a" + r + r + r + "b" + r + "c" + r + r + "d");
  EXPECT_EQ(wholeUtf8("\xc0\x80"), r + r);         // overlong
  EXPECT_EQ(wholeUtf8("\xe0\x80\x80"), r + r + r); // overlong
  EXPECT_EQ(wholeUtf8("\xed\xa0\x80"), r + r + r); // surrogate
  EXPECT_EQ(wholeUtf8("\xf4\x90\x80\x80"), r + r + r + r);
  EXPECT_EQ(wholeUtf8("\xf5z"), r + "z");
  for (const char *good : {"\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf",
                           "\xe0\xa0\x80", "\xf0\x90\x80\x80", "\xc2\x80"})
    EXPECT_EQ(wholeUtf8(good), good);
}

TEST(Utf8Stream, PiecesDoNotMatter) {
  std::mt19937 random(1);
  const unsigned char bytes[] = {'a',  0x80, 0xbf, 0xc2, 0xe0, 0xa0,
                                 0xed, 0xf0, 0x90, 0xf4, 0x8f, 0xff};
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (unsigned i = random() % 12; i; --i)
      text += char(bytes[random() % sizeof(bytes)]);
    Utf8Stream stream;
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const size_t length = 1 + random() % 3;
      const std::string piece = stream.feed(text.substr(at, length));
      EXPECT_EQ(wholeUtf8(piece), piece); // whole characters only
      out += piece;
      at += length;
    }
    EXPECT_EQ(out + stream.finish(), wholeUtf8(text));
  }
}

//===----------------------------------------------------------------------===//
// Bytes
//===----------------------------------------------------------------------===//

TEST(Tokenizer, BytesAreTheirValues) {
  const Tokenizer tokenizer = Tokenizer::bytes();
  EXPECT_EQ(tokenizer.encode("A\xc3\xa9"), (Ids{0x41, 0xc3, 0xa9}));
  EXPECT_EQ(tokenizer.decode({0x41, 0xc3, 0xa9, 300, -1}), "A\xc3\xa9");
  EXPECT_EQ(tokenizer.encode(""), Ids{});
}

TEST(Tokenizer, FileGivesTheOrderOfIds) {
  // 7 has no factor with 256: a permutation.
  const auto idOf = [](int byte) { return (byte * 7 + 3) % 256 + 10; };
  const Tokenizer tokenizer = parse(byteTokenizer(idOf));
  std::string all;
  Ids ids;
  for (int byte = 0; byte < 256; ++byte) {
    all += char(byte);
    ids.push_back(idOf(byte));
    EXPECT_EQ(tokenizer.tokenBytes(idOf(byte)), std::string(1, char(byte)));
  }
  EXPECT_EQ(tokenizer.encode(all), ids);
  EXPECT_EQ(tokenizer.decode(ids), wholeUtf8(all));
  EXPECT_EQ(tokenizer.largestId(), 265);
}

TEST(Tokenizer, EveryTextComesBack) {
  Json json = plain();
  json["added_tokens"] = {addedToken(256, "<|end|>", true)};
  const Tokenizer tokenizer = parse(json);
  std::mt19937 random(2);
  const std::string parts[] = {
      "<|end|>",          "<|", "end", "|>", " ", "\xc3\xa4",
      "\xf0\x9f\x98\x80", "x",  "\n"};
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (unsigned i = random() % 10; i; --i)
      text += parts[random() % std::size(parts)];
    const Ids ids = tokenizer.encode(text);
    EXPECT_EQ(tokenizer.decode(ids, /*special=*/true), text);
    TextDecoder decoder(tokenizer, /*special=*/true);
    std::string streamed;
    for (const int64_t id : ids)
      streamed += decoder.feed(id);
    EXPECT_EQ(streamed + decoder.finish(), text);
  }
}

TEST(Tokenizer, SpecialTokensAreFoundAndLeftOut) {
  Json json = plain();
  json["added_tokens"] = {addedToken(256, "<e>", true),
                          addedToken(257, "<e><f>", true),
                          addedToken(258, "word", false, /*normalized=*/true),
                          addedToken(259, "wordy", true)};
  const Tokenizer tokenizer = parse(json);
  EXPECT_EQ(tokenizer.encode("a<e>b"), (Ids{'a', 256, 'b'}));
  EXPECT_EQ(tokenizer.encode("<e><f><e>"), (Ids{257, 256})); // longest first
  EXPECT_EQ(tokenizer.encode("wordword"), (Ids{258, 258}));
  // Those that are not normalized are looked for before the others.
  EXPECT_EQ(tokenizer.encode("wordy"), (Ids{259}));
  EXPECT_EQ(tokenizer.decode({'a', 256, 258}), "aword");
  EXPECT_EQ(tokenizer.decode({'a', 256, 258}, true), "a<e>word");
  EXPECT_TRUE(tokenizer.isSpecial(256));
  EXPECT_FALSE(tokenizer.isSpecial(258));
  EXPECT_EQ(tokenizer.idOf("<e>"), 256);
  EXPECT_EQ(tokenizer.idOf("<g>"), std::nullopt);
}

TEST(Tokenizer, PrefixSpaceAndTemplate) {
  Json json = plain();
  json["added_tokens"] = {addedToken(256, "<s>", true)};
  json["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_EQ(parse(json).encode("a"), (Ids{' ', 'a'}));
  EXPECT_EQ(parse(json).encode(" a"), (Ids{' ', 'a'}));
  json["pre_tokenizer"]["add_prefix_space"] = false;
  const Json sequence = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json token = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {token, sequence, token, token}},
      {"pair", Json::array()},
      {"special_tokens",
       {{"<s>", {{"id", "<s>"}, {"ids", {256}}, {"tokens", {"<s>"}}}}}}};
  EXPECT_EQ(parse(json).encode("a"), (Ids{256, 'a', 256, 256}));
  EXPECT_EQ(parse(json).encode("a", /*addSpecial=*/false), (Ids{'a'}));
}

//===----------------------------------------------------------------------===//
// What is refused
//===----------------------------------------------------------------------===//

TEST(Tokenizer, OtherKindsAreNamed) {
  Json json = plain();
  json["model"]["merges"] = {"a b", "c d"};
  EXPECT_TRUE(contains(refusal(json), "a BPE model with 2 merges"));
  for (const char *type : {"Unigram", "WordPiece", "WordLevel"}) {
    json = plain();
    json["model"]["type"] = type;
    EXPECT_TRUE(contains(refusal(json), type));
  }
  json = plain();
  json["model"]["vocab"].erase("a");
  EXPECT_TRUE(contains(refusal(json), "no token for the byte 97"));
  json = plain();
  json["normalizer"] = {{"type", "NFC"}};
  EXPECT_TRUE(contains(refusal(json), "a normalizer of the kind NFC"));
  json = plain();
  json["pre_tokenizer"] = {{"type", "Metaspace"}};
  EXPECT_TRUE(contains(refusal(json), "Metaspace"));
  json = plain();
  json["decoder"] = {{"type", "WordPiece"}};
  EXPECT_TRUE(contains(refusal(json), "a decoder of the kind WordPiece"));
  json = plain();
  json["post_processor"] = {{"type", "RobertaProcessing"}};
  EXPECT_TRUE(contains(refusal(json), "RobertaProcessing"));
  json = plain();
  json["added_tokens"] = {addedToken(256, "<e>", true)};
  json["added_tokens"][0]["lstrip"] = true;
  EXPECT_TRUE(contains(refusal(json), "'<e>' with lstrip"));
}

TEST(Tokenizer, DamagedFilesAreRefused) {
  for (const char *text : {"", "{", "[]", "7", "\"model\"", "{}", "nul",
                           "{\"model\": null}", "{\"a\": \"\xff\"}"})
    EXPECT_TRUE(contains(damage(text), "t.json")) << text;
  for (const Json &id : {Json(-1), Json(1.5), Json("1"), Json(nullptr),
                         Json(UINT64_MAX), Json(INT64_MIN), Json(1LL << 31)}) {
    Json json = plain();
    json["model"]["vocab"]["a"] = id;
    EXPECT_TRUE(contains(damage(json.dump()), "'a' is not an id")) << id;
  }
  Json json = plain();
  json["model"]["vocab"]["a"] = 98;
  EXPECT_TRUE(contains(damage(json.dump()), "98 has two tokens"));
  json = plain();
  json["added_tokens"] = {addedToken(5, "a", true)};
  EXPECT_TRUE(contains(damage(json.dump()), "'a' has two ids"));
  json = plain();
  json["post_processor"] = {{"type", "TemplateProcessing"},
                            {"single", {{{"SpecialToken", {{"id", "x"}}}}}}};
  EXPECT_TRUE(contains(damage(json.dump()), "'x' has no ids"));
}

TEST(Tokenizer, HostileSizesAreRefused) {
  EXPECT_TRUE(contains(damage(std::string(10'000'000, '[')), "too deeply"));
  std::string many = "[";
  for (int i = 0; i < 9'000'000; ++i)
    many += "1,";
  EXPECT_TRUE(contains(damage(many + "1]"), "too many values"));
}

/// Any value anywhere replaced by any kind of value: a message or a tokenizer,
/// never a crash.
TEST(Tokenizer, AlteredFilesNeverCrash) {
  Json json = plain();
  json["added_tokens"] = {addedToken(256, "<e>", true)};
  json["post_processor"] = {
      {"type", "Sequence"},
      {"processors",
       {{{"type", "ByteLevel"}},
        {{"type", "TemplateProcessing"},
         {"single",
          {{{"Sequence", {{"id", "A"}}}}, {{"SpecialToken", {{"id", "<e>"}}}}}},
         {"special_tokens", {{"<e>", {{"ids", {256}}}}}}}}}};
  ASSERT_EQ(parse(json).encode("a"), (Ids{'a', 256}));
  const Json values[] = {nullptr,
                         true,
                         -1,
                         1e300,
                         "",
                         "x",
                         Json::array(),
                         Json::object(),
                         {1, "a"},
                         {{"type", "Sequence"}}};
  size_t refused = 0, taken = 0;
  const Json flat = json.flatten();
  for (const auto &item : flat.items()) {
    std::string pointer = item.key();
    // The value itself, and all that it is in. One token stands for all.
    if (contains(pointer, "/vocab/") && !contains(pointer, "/vocab/a"))
      continue;
    for (; !pointer.empty(); pointer.resize(pointer.rfind('/')))
      for (const Json &value : values) {
        Json altered = json;
        altered[Json::json_pointer(pointer)] = value;
        try {
          parse(altered).encode("some text");
          ++taken;
        } catch (const GenerationError &) {
          ++refused;
        }
      }
  }
  EXPECT_GT(refused, 100u);
  EXPECT_GT(taken, 100u);
}

TEST(Tokenizer, FilesThatCannotBeRead) {
  const Directory directory;
  EXPECT_TRUE(contains(
      errorOf([&] { Tokenizer::fromFile(directory.path + "/none.json"); }),
      "none.json"));
  EXPECT_TRUE(
      contains(errorOf([&] { Tokenizer::fromFile(directory.path); }), "file"));
  const std::string pipe = directory.path + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_TRUE(contains(errorOf([&] { Tokenizer::fromFile(pipe); }), "pipe"));
  const std::string large = directory.write("large.json", "{}");
  ASSERT_EQ(truncate(large.c_str(), (64 << 20) + 1), 0);
  EXPECT_TRUE(contains(errorOf([&] { Tokenizer::fromFile(large); }), "64 MiB"));
}
