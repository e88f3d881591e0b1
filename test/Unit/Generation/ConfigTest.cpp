//===- ConfigTest.cpp - files beside a model ------------------------------===//

#include "Files.h"

#include "hybrid/Generation/GenerationConfig.h"

#include <gtest/gtest.h>

using namespace hybrid;
using namespace hybrid::test;

namespace {

using Ids = std::vector<int64_t>;

class Config : public testing::Test {
protected:
  void write(const std::string &name, const Json &json) {
    directory.write(name, json.dump());
  }
  GenerationConfig read() { return GenerationConfig::read(directory.path); }

  std::string error(const std::string &name, const std::string &text) {
    directory.write(name, text);
    const std::string message = errorOf([&] { read(); });
    EXPECT_NE(message.find(name), std::string::npos) << message;
    return message;
  }

  Directory directory;
};

} // namespace

TEST_F(Config, NothingIsGreedyWithoutEnd) {
  const GenerationConfig config = read();
  EXPECT_TRUE(config.eos.empty());
  EXPECT_FALSE(config.bos);
  EXPECT_FALSE(config.sampling.sample);
  EXPECT_EQ(config.sampling.repetitionPenalty, 1);
  EXPECT_TRUE(config.files.empty());
  EXPECT_EQ(config.tokenizer, "");
}

TEST_F(Config, EarlierFilesTakePrecedenceValueByValue) {
  write("genai_config.json",
        {{"model", {{"eos_token_id", {5, 6}}, {"bos_token_id", nullptr}}},
         {"search", {{"top_k", 9}}}});
  write("generation_config.json", {{"eos_token_id", 7},
                                   {"bos_token_id", 1},
                                   {"do_sample", true},
                                   {"top_k", 50},
                                   {"temperature", 0.6}});
  write("config.json", {{"bos_token_id", 2},
                        {"top_p", 0.9},
                        {"do_sample", false},
                        {"repetition_penalty", 1.1}});
  const GenerationConfig config = read();
  EXPECT_EQ(config.eos, (Ids{5, 6}));
  EXPECT_EQ(config.bos, 1);
  EXPECT_TRUE(config.sampling.sample);
  EXPECT_EQ(config.sampling.topK, 9);
  EXPECT_EQ(config.sampling.temperature, 0.6);
  EXPECT_EQ(config.sampling.topP, 0.9);
  EXPECT_EQ(config.sampling.repetitionPenalty, 1.1);
  EXPECT_EQ(config.files.size(), 3u);
}

TEST_F(Config, NestedTextConfigAndOddValues) {
  write("config.json", {{"text_config", {{"eos_token_id", 3}}},
                        {"do_sample", true},
                        {"temperature", 0},
                        {"top_k", -1}});
  const GenerationConfig config = read();
  EXPECT_EQ(config.eos, (Ids{3}));
  EXPECT_FALSE(config.sampling.sample); // temperature 0
  EXPECT_EQ(config.sampling.temperature, 1);
  EXPECT_EQ(config.sampling.topK, 0); // all
}

TEST_F(Config, TokenizerNamesTheEnd) {
  Json json = byteTokenizer([](int byte) { return byte; });
  json["added_tokens"] = {addedToken(256, "<e>", true),
                          addedToken(257, "<s>", true)};
  write("tokenizer.json", json);
  write("tokenizer_config.json",
        {{"eos_token", {{"content", "<e>"}}}, {"bos_token", "<s>"}});
  GenerationConfig config = read();
  EXPECT_TRUE(config.eos.empty());
  config.resolve(Tokenizer::fromFile(config.tokenizer));
  EXPECT_EQ(config.eos, (Ids{256}));
  EXPECT_EQ(config.bos, 257);
  // Ids take precedence.
  write("config.json", {{"eos_token_id", 4}});
  config = read();
  config.resolve(Tokenizer::fromFile(config.tokenizer));
  EXPECT_EQ(config.eos, (Ids{4}));
}

TEST_F(Config, WrongFilesAreNamed) {
  error("config.json", "{");
  error("config.json", "[]");
  error("config.json", "");
  for (const char *eos : {"\"x\"", "[1, \"x\"]", "-1", "1.5", "{}",
                          "99999999999999999999", "[[1]]"})
    EXPECT_NE(
        error("config.json", std::string("{\"eos_token_id\": ") + eos + "}")
            .find("eos_token_id"),
        std::string::npos)
        << eos;
  for (const char *key : {"temperature", "top_p", "repetition_penalty"})
    for (const char *value : {"\"x\"", "-1", "1e30", "[]"})
      EXPECT_NE(
          error("config.json", "{\"" + std::string(key) + "\": " + value + "}")
              .find(key),
          std::string::npos)
          << key << value;
  EXPECT_NE(error("config.json", "{\"do_sample\": 1}").find("do_sample"),
            std::string::npos);
  EXPECT_NE(error("config.json", "{\"top_k\": \"x\"}").find("top_k"),
            std::string::npos);
  error("config.json", std::string(1'000'000, '['));
}

TEST(DirectoryOf, Paths) {
  EXPECT_EQ(directoryOf("model.hyb"), ".");
  EXPECT_EQ(directoryOf("a/b/model.hyb"), "a/b");
  EXPECT_EQ(directoryOf("/model.hyb"), "/");
}
