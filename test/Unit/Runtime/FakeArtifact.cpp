//===- FakeArtifact.cpp - artifacts for tests -----------------------------===//

#include "FakeArtifact.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>

using namespace hybrid;
using namespace hybrid::test;

namespace {
struct Directory {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() /
      ("hybrid-runtime-test-" + std::to_string(getpid()));
  Directory() { std::filesystem::create_directories(path); }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};
} // namespace

std::string test::temporaryPath(const std::string &name) {
  static const Directory directory;
  return (directory.path / name).string();
}

std::string test::readText(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void test::writeText(const std::string &path, const std::string &text) {
  // A new file each time: ext4 flushes files that are truncated and rewritten.
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << text;
}

bool test::exists(const std::string &path) {
  return std::filesystem::exists(path);
}

const std::string &test::fakeElf() {
  static const std::string elf = [] {
    const std::string path = temporaryPath("fake.so");
    const std::string command = std::string(HYBRID_TEST_CC) +
                                " -std=c11 -O1 -fPIC -shared -nostdlib -I" +
                                HYBRID_TEST_INCLUDE + " -o " + path + " " +
                                HYBRID_TEST_SOURCES + "/FakeModel.c";
    if (std::system(command.c_str()))
      ADD_FAILURE() << "cannot compile: " << command;
    return readText(path);
  }();
  return elf;
}

static Json baseManifest() {
#if defined(__x86_64__)
  const char *triple = "x86_64-unknown-linux-gnu";
  const Json features = {"sse2"};
#else
  const char *triple = "aarch64-unknown-linux-gnu";
  const Json features = {"neon"};
#endif
  return {{"compiler", "0.0.0-test"},
          {"model", {{"name", "fake"}, {"producer", "hand"}}},
          {"target",
           {{"device", "cpu"},
            {"triple", triple},
            {"cpu", "generic"},
            {"features", features}}},
          {"states", Json::array()},
          {"arena_bytes", 4096}};
}

static Json value(const char *name, const char *dtype, Json dims) {
  return {{"name", name}, {"dtype", dtype}, {"dims", std::move(dims)}};
}

static Json input(const char *name, const char *dtype, Json dims,
                  const char *role) {
  Json json = value(name, dtype, std::move(dims));
  json["role"] = role;
  return json;
}

static Json symbol(const char *name, const char *role, int64_t capacity) {
  return {{"name", name}, {"role", role}, {"capacity", capacity}};
}

Json test::languageModel() {
  Json json = baseManifest();
  json["symbols"] = {symbol("batch", "batch", 4), symbol("seq", "seq", 8),
                     symbol("past", "past", 16), symbol("n", "dim", 6)};
  Json ids = input("input_ids", "int64", {"batch", "seq"}, "tokens");
  ids["range"] = {0, 99};
  json["inputs"] = {
      ids, input("position_ids", "int64", {"batch", "seq"}, "position_ids"),
      input("attention_mask", "int64", {"batch", "past + seq"},
            "attention_mask"),
      input("bias", "float32", Json::array({"n"}), "data")};
  json["outputs"] = {value("logits", "float32", {"batch", "seq"}),
                     value("positions", "int64", {"batch", "seq"}),
                     value("mask_sum", "int64", Json::array({"batch"})),
                     value("seen", "int64", {"batch", 2})};
  Json key = value("past_key.0", "float32", {"batch", 2, 16, 3});
  key["present"] = "present_key.0";
  key["kind"] = "kv";
  key["length_axis"] = 2;
  Json conv = value("past_conv.0", "float32", {"batch", 5});
  conv["present"] = "present_conv.0";
  conv["kind"] = "conv";
  json["states"] = {key, conv};
  json["entries"] = {{{"name", "decode"},
                      {"function", "fake_decode"},
                      {"shapes", "fake_shapes"},
                      {"requires", {{"seq", 1}}}},
                     {{"name", "prefill"},
                      {"function", "fake_prefill"},
                      {"shapes", "fake_shapes"},
                      {"requires", Json::object()}}};
  json["kernels"] = {"write_keys", "write_logits", "update_conv", "sum_mask"};
  return json;
}

Json test::statelessModel(const std::string &dtype) {
  Json json = baseManifest();
  json["symbols"] = Json::array({symbol("n", "dim", 1000)});
  json["inputs"] =
      Json::array({input("x", dtype.c_str(), Json::array({"n"}), "data")});
  json["outputs"] =
      Json::array({value("y", dtype.c_str(), Json::array({"n"}))});
  json["entries"] = Json::array({{{"name", "main"},
                                  {"function", "fake_main"},
                                  {"shapes", "fake_main_shapes"}}});
  json["kernels"] = Json::array({"copy"});
  return json;
}

Json test::widePositionsModel() {
  Json json = baseManifest();
  json["symbols"] = {symbol("batch", "batch", 4), symbol("seq", "seq", 8),
                     symbol("past", "past", 16)};
  Json positions =
      input("position_ids", "int32", {3, "batch", "seq"}, "position_ids");
  positions["range"] = {0, 9};
  json["inputs"] = {input("input_ids", "int64", {"batch", "seq"}, "tokens"),
                    positions};
  json["outputs"] =
      Json::array({value("positions", "int32", {3, "batch", "seq"})});
  Json state = value("past_conv", "float32", {"batch", 2});
  state["kind"] = "conv";
  json["states"] = Json::array({state});
  json["entries"] = Json::array({{{"name", "prefill"},
                                  {"function", "fake_wide"},
                                  {"shapes", "fake_wide_shapes"}}});
  json["kernels"] = Json::array();
  return json;
}

Json test::ownPositionsModel() {
  Json json = baseManifest();
  json["symbols"] = {symbol("batch", "batch", 4), symbol("seq", "seq", 8),
                     symbol("past", "past", 16)};
  json["inputs"] = {
      input("input_ids", "int64", {"batch", "seq"}, "tokens"),
      input("$positions", "int64", Json::array({"batch"}), "positions")};
  json["outputs"] =
      Json::array({value("starts", "int64", Json::array({"batch"}))});
  Json state = value("past_conv", "float32", {"batch", 2});
  state["kind"] = "conv";
  json["states"] = Json::array({state});
  json["entries"] = Json::array({{{"name", "prefill"},
                                  {"function", "fake_starts"},
                                  {"shapes", "fake_starts_shapes"}}});
  json["kernels"] = Json::array();
  return json;
}

Json test::greedyModel() {
  Json json = baseManifest();
  json["symbols"] = {symbol("batch", "batch", 4), symbol("seq", "seq", 8)};
  json["inputs"] =
      Json::array({input("input_ids", "int64", {"batch", "seq"}, "tokens")});
  json["outputs"] =
      Json::array({value("logits", "float32", {"batch", "seq", 7})});
  Json state = value("past_sum", "float32", Json::array({"batch"}));
  state["kind"] = "recurrent";
  json["states"] = Json::array({state});
  json["entries"] = Json::array({{{"name", "prefill"},
                                  {"function", "fake_greedy"},
                                  {"shapes", "fake_greedy_shapes"}}});
  json["kernels"] = Json::array();
  return json;
}

Json test::trimmedModel() {
  Json json = greedyModel();
  json["symbols"].push_back(symbol("from", "from", 8));
  json["outputs"][0]["dims"][1] = "seq - from";
  json["entries"][0]["function"] = "fake_trimmed";
  json["entries"][0]["shapes"] = "fake_trimmed_shapes";
  return json;
}

std::vector<WeightChunk> test::fakeWeights() {
  const auto half = [](int first) {
    return [first](const ByteSink &sink) {
      for (int i = first; i < first + 32; ++i) {
        const float weight = float(i) + 0.5f;
        if (!sink(&weight, sizeof(weight)))
          return std::string("stopped");
      }
      return std::string();
    };
  };
  return {{128, 128, half(32)}, {0, 128, half(0)}};
}

std::string test::makeArtifact(const std::string &name, const Json &manifest) {
  const std::string path = temporaryPath(name);
  const std::string error =
      writeArtifact(path, fakeElf().data(), fakeElf().size(), manifest.dump(),
                    fakeWeightsBytes, fakeWeights());
  EXPECT_EQ(error, "");
  return path;
}

HybridStatus test::openStatus(const std::string &path, uint32_t flags) {
  HybridModule *module = nullptr;
  const HybridStatus status = hybrid_module_open(path.c_str(), flags, &module);
  hybrid_module_close(module);
  return status;
}

ModulePtr test::open(const std::string &path, uint32_t flags) {
  HybridModule *module = nullptr;
  EXPECT_EQ(hybrid_module_open(path.c_str(), flags, &module), HYBRID_OK)
      << hybrid_last_error();
  return ModulePtr(module);
}

SessionPtr test::newSession(HybridModule *module, int threads, int64_t batch) {
  const HybridSessionOptions options = {threads, batch, {}};
  HybridSession *session = nullptr;
  EXPECT_EQ(hybrid_session_create(module, &options, &session), HYBRID_OK)
      << hybrid_last_error();
  return SessionPtr(session);
}

HybridTensor test::tensor(const char *name, HybridDtype dtype,
                          const std::vector<int64_t> &dims, const void *data) {
  HybridTensor tensor = {};
  tensor.name = name;
  tensor.dtype = dtype;
  tensor.rank = int32_t(dims.size());
  std::copy(dims.begin(), dims.end(), tensor.dims);
  tensor.data = const_cast<void *>(data);
  return tensor;
}

HybridTensor test::wanted(const char *name) {
  HybridTensor tensor = {};
  tensor.name = name;
  return tensor;
}

HybridStatus test::runIds(HybridSession *session,
                          const std::vector<int64_t> &sequences,
                          const std::vector<int64_t> &ids,
                          HybridTensor &logits) {
  const int64_t rows = int64_t(sequences.size());
  const HybridTensor input =
      tensor("input_ids", HYBRID_INT64, {rows, int64_t(ids.size()) / rows},
             ids.data());
  logits = wanted("logits");
  return hybrid_session_run_sequences(session, sequences.data(),
                                      sequences.size(), &input, 1, &logits, 1);
}

bool test::errorSays(const std::vector<std::string> &texts) {
  const std::string error = hybrid_last_error();
  for (const std::string &text : texts)
    if (error.find(text) == std::string::npos) {
      ADD_FAILURE() << "the error is: " << error << "\nand lacks: " << text;
      return false;
    }
  return true;
}
