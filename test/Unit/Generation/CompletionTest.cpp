//===- CompletionTest.cpp - when texts end --------------------------------===//

#include "Files.h"

#include "hybrid/Generation/Completion.h"

#include <gtest/gtest.h>

#include <random>

using namespace hybrid;
using namespace hybrid::test;

namespace {

/// A completion that is made to choose given tokens.
class Script {
public:
  explicit Script(CompletionOptions options,
                  const Tokenizer *tokenizer = nullptr)
      : completion(options, {}, tokenizer) {}

  /// Bytes, until the completion is done. Keeps the pieces of text.
  Script &say(const std::string &bytes) {
    for (const char c : bytes)
      if (!completion.done())
        choose(static_cast<unsigned char>(c));
    return *this;
  }

  Script &choose(size_t id) {
    std::vector<float> logits(300, 0.0f);
    logits[id] = 1;
    pieces.push_back(completion.step({HYBRID_FLOAT32, logits.data(), 300}));
    return *this;
  }

  Completion completion;
  std::vector<std::string> pieces;
};

CompletionOptions stopping(std::vector<std::string> stop) {
  CompletionOptions options;
  options.stop = std::move(stop);
  return options;
}

const Tokenizer bytes = Tokenizer::bytes();

} // namespace

TEST(Completion, EndsAtTheLength) {
  CompletionOptions options;
  options.maxTokens = 3;
  Script script(options, &bytes);
  script.say("abcdef");
  EXPECT_EQ(script.completion.text(), "abc");
  EXPECT_EQ(script.completion.stopReason(), StopReason::Length);
  options.maxTokens = 0;
  EXPECT_TRUE(Script(options).completion.done());
}

TEST(Completion, EndsAtAnEndToken) {
  CompletionOptions options;
  options.eos = {256, 'x'};
  Script script(options, &bytes);
  script.say("abx");
  EXPECT_EQ(script.completion.text(), "ab");
  EXPECT_EQ(script.completion.ids(), (std::vector<int64_t>{'a', 'b', 'x'}));
  EXPECT_EQ(script.completion.stopReason(), StopReason::Eos);
}

TEST(Completion, NeverHalfACharacter) {
  Script script({}, &bytes);
  script.say("\xe2\x82\xac"
             "a\xe2");
  EXPECT_EQ(script.pieces,
            (std::vector<std::string>{"", "", "\xe2\x82\xac", "a", ""}));
  EXPECT_EQ(script.completion.stop(StopReason::Cancelled), "\xef\xbf\xbd");
}

TEST(Completion, HoldsBackWhatMayBecomeAStopText) {
  Script script(stopping({"END"}), &bytes);
  script.say("aEENDz");
  EXPECT_EQ(script.pieces, (std::vector<std::string>{"a", "", "E", "", ""}));
  EXPECT_EQ(script.completion.text(), "aE");
  EXPECT_EQ(script.completion.stopReason(), StopReason::StopText);
}

TEST(Completion, HeldTextComesAtTheEnd) {
  CompletionOptions options = stopping({"END"});
  options.maxTokens = 3;
  EXPECT_EQ(Script(options, &bytes).say("xEN").completion.text(), "xEN");
  options = stopping({"END"});
  options.eos = {256};
  Script script(options, &bytes);
  script.say("EN").choose(256);
  EXPECT_EQ(script.completion.text(), "EN");
}

TEST(Completion, TheFirstStopTextCounts) {
  EXPECT_EQ(
      Script(stopping({"cd", "bcd"}), &bytes).say("abcd").completion.text(),
      "a");
  CompletionOptions options = stopping({"b"});
  options.maxTokens = 2;
  Script script(options, &bytes);
  script.say("ab");
  EXPECT_EQ(script.completion.stopReason(), StopReason::StopText);
}

/// Against a search in the whole text.
TEST(Completion, StopTextsAsIfSearchedInTheWhole) {
  std::mt19937 random(3);
  const auto word = [&](unsigned least, unsigned most) {
    std::string text;
    for (unsigned i = least + random() % (most - least + 1); i; --i)
      text += "ab"[random() % 2];
    return text;
  };
  for (int round = 0; round < 3000; ++round) {
    const std::vector<std::string> stops = {word(1, 5), word(3, 6)};
    const std::string text = word(0, 20);
    Script script(stopping(stops), &bytes);
    script.say(text);
    script.completion.stop(script.completion.done()
                               ? script.completion.stopReason()
                               : StopReason::Cancelled);
    // The one that ends first decides; of those, the longest.
    std::string want = text;
    for (size_t end = 1; end <= text.size() && want == text; ++end)
      for (const std::string &stop : stops)
        if (end >= stop.size() &&
            text.compare(end - stop.size(), stop.size(), stop) == 0)
          want.resize(std::min(want.size(), end - stop.size()));
    EXPECT_EQ(script.completion.text(), want);
    std::string joined;
    for (const std::string &piece : script.pieces)
      joined += piece;
    EXPECT_EQ(want.compare(0, joined.size(), joined), 0);
  }
}

TEST(Completion, StopTextsNeedATokenizer) {
  EXPECT_NE(errorOf([] { Script script(stopping({"a"})); }).find("tokenizer"),
            std::string::npos);
  EXPECT_NE(
      errorOf([] { Script script(stopping({""}), &bytes); }).find("empty"),
      std::string::npos);
}
