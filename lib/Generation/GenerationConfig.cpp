//===- GenerationConfig.cpp - what files beside a model say ---------------===//

#include "hybrid/Generation/GenerationConfig.h"

#include "JsonFile.h"

#include "hybrid/Generation/Error.h"

#include <cmath>
#include <filesystem>

using namespace hybrid;
using nlohmann::json;

namespace hybrid {

/// Takes values from one file after another; the first that has one counts.
class ConfigReader {
public:
  explicit ConfigReader(const std::string &directory) : directory(directory) {}

  GenerationConfig read() {
    // The file of onnxruntime-genai keeps ids and parameters apart.
    if (open("genai_config.json")) {
      takeIds(section("model"));
      takeSampling(section("search"));
    }
    if (open("generation_config.json")) {
      takeIds(document);
      takeSampling(document);
    }
    if (open("config.json")) {
      takeIds(document);
      takeIds(section("text_config"));
      takeSampling(document);
    }
    if (open("tokenizer_config.json")) {
      result.eosToken = content("eos_token");
      result.bosToken = content("bos_token");
    }
    if (exists("tokenizer.json"))
      result.tokenizer = pathOf("tokenizer.json");
    finish();
    return std::move(result);
  }

private:
  std::string pathOf(const char *name) const { return directory + "/" + name; }

  bool exists(const char *name) const {
    std::error_code error;
    return std::filesystem::exists(pathOf(name), error);
  }

  bool open(const char *name) {
    if (!exists(name))
      return false;
    path = pathOf(name);
    document = parseJson(readTextFile(path), path);
    if (!document.is_object())
      throw GenerationError("'" + path + "' is not a JSON object");
    result.files.push_back(path);
    return true;
  }

  [[noreturn]] void wrong(const char *key, const char *expected) const {
    throw GenerationError("'" + path + "': " + key + " must be " + expected);
  }

  const json &section(const char *key) const {
    static const json none = json::object();
    const json *found = member(document, key);
    return found ? *found : none;
  }

  /// A token that is a text or an object with its "content".
  std::string content(const char *key) const {
    const json *token = member(document, key);
    if (!token)
      return "";
    return token->is_object() ? textMember(*token, "content")
                              : textMember(document, key);
  }

  void takeIds(const json &from) {
    const json *eos = member(from, "eos_token_id");
    if (eos && !hasEos) {
      hasEos = true;
      const json list = eos->is_array() ? *eos : json::array({*eos});
      for (const json &value : list) {
        const std::optional<int64_t> id = tokenId(value);
        if (!id)
          wrong("eos_token_id", "a token's id or a list of them");
        result.eos.push_back(*id);
      }
    }
    const json *bos = member(from, "bos_token_id");
    if (bos && !result.bos) {
      result.bos = tokenId(*bos);
      if (!result.bos)
        wrong("bos_token_id", "a token's id");
    }
  }

  void takeSampling(const json &from) {
    const json *value = member(from, "do_sample");
    if (value && !sample) {
      if (!value->is_boolean())
        wrong("do_sample", "true or false");
      sample = value->get<bool>();
    }
    takeNumber(from, "temperature", temperature);
    takeNumber(from, "top_k", topK);
    takeNumber(from, "top_p", topP);
    takeNumber(from, "repetition_penalty", penalty);
    SamplingParameters check = parameters();
    try {
      check.check();
    } catch (const GenerationError &error) {
      throw GenerationError("'" + path + "': " + error.what());
    }
  }

  void takeNumber(const json &from, const char *key,
                  std::optional<double> &to) const {
    const json *value = member(from, key);
    if (!value || to)
      return;
    if (!value->is_number() || std::fabs(value->get<double>()) > 1e9)
      wrong(key, "a number");
    to = value->get<double>();
  }

  SamplingParameters parameters() const {
    SamplingParameters result;
    result.sample = sample.value_or(false);
    // A temperature of 0 is how some files say "do not sample".
    if (temperature == 0.0)
      result.sample = false;
    else
      result.temperature = temperature.value_or(1);
    // 0 and -1 both mean all tokens.
    result.topK = int64_t(std::fmax(topK.value_or(0), 0));
    result.topP = topP.value_or(1);
    result.repetitionPenalty = penalty.value_or(1);
    return result;
  }

  void finish() { result.sampling = parameters(); }

  std::string directory, path;
  json document;
  GenerationConfig result;
  bool hasEos = false;
  std::optional<bool> sample;
  std::optional<double> temperature, topK, topP, penalty;
};

} // namespace hybrid

GenerationConfig GenerationConfig::read(const std::string &directory) {
  return ConfigReader(directory).read();
}

void GenerationConfig::resolve(const Tokenizer &withTokens) {
  if (eos.empty())
    if (const std::optional<int64_t> id = withTokens.idOf(eosToken))
      eos.push_back(*id);
  if (!bos)
    bos = withTokens.idOf(bosToken);
}

std::string hybrid::directoryOf(const std::string &path) {
  const std::string directory =
      std::filesystem::path(path).parent_path().string();
  return directory.empty() ? "." : directory;
}
