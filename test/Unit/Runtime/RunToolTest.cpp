//===- RunToolTest.cpp - hybrid-run as people call it ---------------------===//

#include "FakeArtifact.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <sys/wait.h>

using namespace hybrid;
using namespace hybrid::test;

namespace {

/// A finished call of the tool.
struct Call {
  int code;
  std::string out, err;
};

Call hybridRun(const std::string &arguments) {
  const std::string out = temporaryPath("stdout"),
                    err = temporaryPath("stderr");
  const std::string command = std::string(HYBRID_TEST_RUN) + " " + arguments +
                              " > " + out + " 2> " + err;
  const int status = std::system(command.c_str());
  EXPECT_TRUE(WIFEXITED(status)) << command;
  return {WEXITSTATUS(status), readText(out), readText(err)};
}

template <typename T>
void save(const std::string &path, const char *name, HybridDtype dtype,
          std::vector<int64_t> dims, const std::vector<T> &values) {
  ASSERT_EQ(writeNpz(path, {{name, dtype, std::move(dims), values.data()}}),
            "");
}

void saveIds(const std::string &path, int64_t batch,
             const std::vector<int64_t> &ids) {
  const float bias[1] = {0};
  ASSERT_EQ(writeNpz(path, {{"input_ids",
                             HYBRID_INT64,
                             {batch, int64_t(ids.size()) / batch},
                             ids.data()},
                            {"bias", HYBRID_FLOAT32, {1}, bias}}),
            "");
}

const NpyArray *find(const std::vector<NpyArray> &arrays,
                     const std::string &name) {
  for (const NpyArray &array : arrays)
    if (array.name == name)
      return &array;
  return nullptr;
}

class Tool : public testing::Test {
protected:
  void SetUp() override {
    model = makeArtifact("tool.hyb", languageModel());
    first = temporaryPath("first.npz");
    second = temporaryPath("second.npz");
    directory = temporaryPath("out");
    std::filesystem::remove_all(directory);
    saveIds(first, 2, {1, 2, 3, 4});
    saveIds(second, 2, {5, 6});
  }

  std::string model, first, second, directory;
};

} // namespace

TEST_F(Tool, RunsFollowEachOther) {
  const Call call =
      hybridRun(model + " --inputs " + first + " --inputs=" + second +
                " --outputs " + directory);
  ASSERT_EQ(call.code, 0) << call.err;
  EXPECT_NE(call.out.find("run 0: prefill"), std::string::npos) << call.out;
  EXPECT_NE(call.out.find("run 1: decode"), std::string::npos) << call.out;
  std::vector<NpyArray> arrays;
  ASSERT_EQ(readNpz(directory + "/1.npz", arrays), "");
  EXPECT_EQ(arrays.size(), 4u); // no states
  const NpyArray *positions = find(arrays, "positions");
  ASSERT_TRUE(positions);
  const int64_t expected[] = {2, 2};
  EXPECT_EQ(positions->data,
            std::string(reinterpret_cast<const char *>(expected), 16));
  // No temporary file is left.
  size_t files = 0;
  for (const auto &file : std::filesystem::directory_iterator(directory))
    files += file.is_regular_file();
  EXPECT_EQ(files, 2u);
}

TEST_F(Tool, StatesComeOnRequestAndCompare) {
  ASSERT_EQ(hybridRun(model + " --inputs " + first + " --outputs " + directory +
                      " --states")
                .code,
            0);
  std::vector<NpyArray> arrays;
  ASSERT_EQ(readNpz(directory + "/0.npz", arrays), "");
  const NpyArray *key = find(arrays, "present_key.0");
  ASSERT_TRUE(key);
  EXPECT_EQ(key->dims, (std::vector<int64_t>{2, 2, 2, 3}));
  // The states in the expected file are fetched without --states.
  const Call same = hybridRun(model + " --json --inputs " + first +
                              " --compare " + directory + "/0.npz");
  EXPECT_EQ(same.code, 0) << same.err;
  const Json json = Json::parse(same.out);
  EXPECT_EQ(json["ok"], true);
  EXPECT_EQ(json["runs"][0]["compare"].size(), 6u);
  EXPECT_EQ(json["runs"][0]["entry"], "prefill");
}

TEST_F(Tool, DifferencesAreFoundAndPlaced) {
  const std::string expected = temporaryPath("expected.npz");
  // Logits of [[1, 2], [3, 4]] without bias.
  const std::vector<float> logits = {101.5f, 302.5f, 303.5f, 704.5f};
  const auto compare = [&](const std::string &more = "") {
    return hybridRun(model + " --json --inputs " + first + " --compare " +
                     expected + " " + more);
  };
  save(expected, "logits", HYBRID_FLOAT32, {2, 2}, logits);
  EXPECT_EQ(compare("--rtol 0 --atol 0").code, 0);
  std::vector<float> off = logits;
  off[2] += 1;
  save(expected, "logits", HYBRID_FLOAT32, {2, 2}, off);
  const Call call = compare();
  EXPECT_EQ(call.code, 1);
  const Json json = Json::parse(call.out)["runs"][0]["compare"][0];
  EXPECT_EQ(json["ok"], false);
  EXPECT_EQ(json["at"], (std::vector<int>{1, 0}));
  EXPECT_EQ(json["outside"], 1);
  EXPECT_NEAR(json["max_abs_difference"].get<double>(), 1, 1e-6);
  EXPECT_EQ(compare("--atol 1.01").code, 0);
  EXPECT_EQ(compare("--atol 0 --rtol 0.01").code, 0);

  off[2] = NAN;
  save(expected, "logits", HYBRID_FLOAT32, {2, 2}, off);
  EXPECT_EQ(compare("--atol 1000").code, 1);
  off[2] = INFINITY;
  save(expected, "logits", HYBRID_FLOAT32, {2, 2}, off);
  EXPECT_EQ(compare("--atol 1000 --rtol 1000").code, 1);
  save(expected, "logits", HYBRID_FLOAT32, {4, 1}, logits);
  EXPECT_EQ(compare().code, 1);
  save(expected, "logit", HYBRID_FLOAT32, {2, 2}, logits);
  EXPECT_EQ(compare().code, 1);
  // Another floating point dtype compares, an integer one does not.
  save(expected, "logits", HYBRID_FLOAT64, {2, 2},
       std::vector<double>(logits.begin(), logits.end()));
  EXPECT_EQ(compare().code, 0);
  save(expected, "logits", HYBRID_INT32, {2, 2}, std::vector<int>(4));
  EXPECT_EQ(compare().code, 1);
  ASSERT_EQ(writeNpz(expected, {}), "");
  EXPECT_EQ(compare().code, 1);
}

TEST_F(Tool, Bfloat16TravelsAsFloat32) {
  model = makeArtifact("bf16.hyb", statelessModel("bfloat16"));
  const std::string in = temporaryPath("x.npz");
  // 1 + 1/256 lies between two bfloat16 values: ties go to the even one.
  const std::vector<float> x = {
      1, -2.5f, 1 + 1.0f / 256, 1 + 3.0f / 256, 3.4e38f, INFINITY, NAN};
  save(in, "x", HYBRID_FLOAT32, {7}, x);
  ASSERT_EQ(
      hybridRun(model + " --inputs " + in + " --outputs " + directory).code, 0);
  std::vector<NpyArray> arrays;
  ASSERT_EQ(readNpz(directory + "/0.npz", arrays), "");
  ASSERT_EQ(arrays.size(), 1u);
  ASSERT_EQ(arrays[0].dtype, HYBRID_FLOAT32);
  std::vector<float> y(7);
  std::memcpy(y.data(), arrays[0].data.data(), 28);
  EXPECT_EQ(y[0], 1);
  EXPECT_EQ(y[1], -2.5f);
  EXPECT_EQ(y[2], 1);
  EXPECT_EQ(y[3], 1 + 1.0f / 64);
  EXPECT_TRUE(std::isinf(y[5]));
  EXPECT_TRUE(std::isnan(y[6]));
  // Nothing else is converted.
  save(in, "x", HYBRID_FLOAT64, {1}, std::vector<double>{1});
  const Call call = hybridRun(model + " --inputs " + in);
  EXPECT_EQ(call.code, 1);
  EXPECT_NE(call.err.find("float64, expected bfloat16"), std::string::npos)
      << call.err;
}

TEST_F(Tool, ErrorsLeaveNoOutput) {
  saveIds(second, 2, {5, 1000});
  const Call call = hybridRun(model + " --inputs " + first + " --inputs " +
                              second + " --outputs " + directory);
  EXPECT_EQ(call.code, 1);
  EXPECT_NE(call.err.find("run 1"), std::string::npos) << call.err;
  EXPECT_NE(call.err.find("1000 at [1, 0]"), std::string::npos) << call.err;
  EXPECT_TRUE(exists(directory + "/0.npz"));
  EXPECT_FALSE(exists(directory + "/1.npz"));
  writeText(first, "not a zip");
  EXPECT_EQ(hybridRun(model + " --inputs " + first).code, 1);
  EXPECT_EQ(hybridRun(first + " --inspect").code, 1);
  const Call json = hybridRun(first + " --inspect --json");
  EXPECT_EQ(json.code, 1);
  EXPECT_TRUE(Json::parse(json.out).contains("error"));
}

TEST_F(Tool, Inspects) {
  Json manifest = languageModel();
  manifest["target"]["features"] = {"quantum"};
  model = makeArtifact("inspect.hyb", manifest);
  const Call call = hybridRun(model + " --inspect");
  ASSERT_EQ(call.code, 0) << call.err;
  for (const char *text :
       {"input_ids", "int64 [batch, past + seq]", "values 0 to 99",
        "past_key.0", "kv", "384 B per sequence", "quantum", "logits",
        "prefill", "4.00 KiB"})
    EXPECT_NE(call.out.find(text), std::string::npos) << text << call.out;
  const Json json = Json::parse(hybridRun(model + " --inspect --json").out);
  EXPECT_EQ(json["state_bytes_per_sequence"]["kv"], 384);
  EXPECT_EQ(json["manifest"]["inputs"].size(), 4u);
}

TEST_F(Tool, VerifiesHashes) {
  EXPECT_EQ(hybridRun(model + " --verify-hashes").code, 0);
  std::string text = readText(model);
  const float weight = 33.5f;
  const size_t at =
      text.find(std::string(reinterpret_cast<const char *>(&weight), 4));
  ASSERT_NE(at, std::string::npos);
  text[at] ^= 1;
  writeText(model, text);
  EXPECT_EQ(hybridRun(model + " --inspect").code, 0);
  const Call call = hybridRun(model + " --verify-hashes");
  EXPECT_EQ(call.code, 1);
  EXPECT_NE(call.err.find("weights do not match"), std::string::npos);
}

TEST_F(Tool, Benchmarks) {
  const Call call = hybridRun(
      model + " --bench --json --per-kernel --prompt-len 5 --decode 7 "
              "--batch 2 --repeat 3 --threads 2 --dim n=4");
  ASSERT_EQ(call.code, 0) << call.err;
  const Json json = Json::parse(call.out);
  EXPECT_EQ(json["threads"], 2);
  ASSERT_EQ(json["phases"].size(), 2u);
  const Json &prefill = json["phases"][0], &decode = json["phases"][1];
  EXPECT_EQ(prefill["entry"], "prefill");
  EXPECT_EQ(prefill["tokens"], 10);
  EXPECT_EQ(prefill["launches_per_step"], 4);
  EXPECT_EQ(decode["entry"], "decode");
  EXPECT_EQ(decode["steps"], 7);
  EXPECT_GT(decode["tokens_per_second"].get<double>(), 0);
  EXPECT_EQ(decode["kernels"].size(), 4u);
  // Text, given inputs, and defaults that fit the capacities.
  EXPECT_EQ(hybridRun(model + " --bench --per-kernel").code, 0);
  EXPECT_EQ(hybridRun(model + " --bench --inputs " + first).code, 0);
  EXPECT_EQ(hybridRun(model + " --bench --prompt-len 9").code, 1);
  EXPECT_EQ(hybridRun(model + " --bench --dim m=4").code, 1);
  model = makeArtifact("bench.hyb", statelessModel("float16"));
  EXPECT_EQ(hybridRun(model + " --bench --dim n=100").code, 0);
}

TEST_F(Tool, WrongCommandLines) {
  for (const char *arguments :
       {"", "--inspect", "MODEL", "MODEL --inputs", "MODEL --frobnicate",
        "MODEL MODEL --inspect", "MODEL --bench --repeat 0",
        "MODEL --bench --repeat 1x", "MODEL --compare x", "MODEL --outputs x",
        "MODEL --inputs a --compare b --compare c", "MODEL --bench --inspect",
        "MODEL --inputs a --rtol -1", "MODEL --inputs a --atol nan",
        "MODEL --bench --dim n", "MODEL --json=1 --inspect"}) {
    std::string line = arguments;
    for (size_t at; (at = line.find("MODEL")) != std::string::npos;)
      line.replace(at, 5, model);
    const Call call = hybridRun(line);
    EXPECT_EQ(call.code, 2) << line;
    EXPECT_NE(call.err.find("--help"), std::string::npos) << line;
    EXPECT_EQ(call.out, "") << line;
  }
  const Call help = hybridRun("--help");
  EXPECT_EQ(help.code, 0);
  EXPECT_NE(help.out.find("Exit codes"), std::string::npos);
  EXPECT_EQ(hybridRun("--version").code, 0);
}
