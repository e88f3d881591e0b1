//===- ArtifactTest.cpp - writing, reading and refusing files -------------===//

#include "FakeArtifact.h"
#include "hybrid/Runtime/ABI.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <elf.h>
#include <filesystem>
#include <random>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace hybrid;
using namespace hybrid::test;

namespace {

/// The text of a good artifact.
const std::string &goodFile() {
  static const std::string text =
      readText(makeArtifact("good.hyb", languageModel()));
  return text;
}

HybridStatus openText(const std::string &text, uint32_t flags = 0) {
  const std::string path = temporaryPath("changed.hyb");
  writeText(path, text);
  return openStatus(path, flags);
}

template <typename T>
T get(const std::string &text, size_t offset) {
  T value;
  std::memcpy(&value, text.data() + offset, sizeof(T));
  return value;
}

template <typename T>
void put(std::string &text, size_t offset, T value) {
  std::memcpy(&text[offset], &value, sizeof(T));
}

/// The offset of a section's header.
size_t sectionHeader(const std::string &text, const std::string &name) {
  const auto header = get<Elf64_Ehdr>(text, 0);
  const auto names = get<Elf64_Shdr>(
      text, header.e_shoff + header.e_shstrndx * sizeof(Elf64_Shdr));
  for (size_t i = 0; i < header.e_shnum; ++i) {
    const size_t at = header.e_shoff + i * sizeof(Elf64_Shdr);
    const auto section = get<Elf64_Shdr>(text, at);
    if (name == text.c_str() + names.sh_offset + section.sh_name)
      return at;
  }
  ADD_FAILURE() << "no section " << name;
  return 0;
}

Elf64_Shdr section(const std::string &text, const std::string &name) {
  return get<Elf64_Shdr>(text, sectionHeader(text, name));
}

} // namespace

//===----------------------------------------------------------------------===//
// Good files
//===----------------------------------------------------------------------===//

TEST(Artifact, HasTheDocumentedLayout) {
  const std::string &text = goodFile();
  const Elf64_Shdr weights = section(text, ".hybrid.weights");
  EXPECT_EQ(weights.sh_offset % 4096, 0u);
  EXPECT_EQ(weights.sh_size, fakeWeightsBytes);
  for (int i = 0; i < 64; ++i)
    EXPECT_EQ(get<float>(text, weights.sh_offset + 4 * i), i + 0.5f);
  const Elf64_Shdr seal = section(text, ".hybrid.seal");
  ASSERT_EQ(seal.sh_size, 32u);
  EXPECT_EQ(text.substr(seal.sh_offset, 8), std::string("HYBRID\0\1", 8));
  EXPECT_EQ(get<uint32_t>(text, seal.sh_offset + 8),
            uint32_t(HYBRID_ABI_VERSION));
  EXPECT_EQ(get<uint64_t>(text, seal.sh_offset + 12), weights.sh_offset);
  const Elf64_Shdr at = section(text, ".hybrid.manifest");
  const Json manifest = Json::parse(text.substr(at.sh_offset, at.sh_size));
  EXPECT_EQ(manifest["format"], "hybrid-artifact");
  EXPECT_EQ(manifest["weights_bytes"], fakeWeightsBytes);
  EXPECT_EQ(manifest["hashes"]["code"].get<std::string>().size(), 32u);
  // The linker's own sections are still listed.
  EXPECT_NE(section(text, ".text").sh_size, 0u);
}

TEST(Artifact, OpensAndDescribesItself) {
  const std::string path = makeArtifact("open.hyb", languageModel());
  const ModulePtr module = test::open(path, HYBRID_OPEN_VERIFY_WEIGHTS);
  ASSERT_TRUE(module);
  EXPECT_EQ(hybrid_module_num_inputs(module.get()), 4u);
  EXPECT_EQ(hybrid_module_num_outputs(module.get()), 4u);
  EXPECT_EQ(hybrid_module_num_states(module.get()), 2u);
  EXPECT_EQ(hybrid_module_num_symbols(module.get()), 4u);
  EXPECT_EQ(hybrid_module_num_kernels(module.get()), 4u);
  EXPECT_STREQ(hybrid_module_kernel(module.get(), 1), "write_logits");
  EXPECT_EQ(hybrid_module_kernel(module.get(), 4), nullptr);
  HybridValueInfo input;
  ASSERT_EQ(hybrid_module_input(module.get(), 0, &input), HYBRID_OK);
  EXPECT_STREQ(input.name, "input_ids");
  EXPECT_STREQ(input.role, "tokens");
  EXPECT_STREQ(input.dims[1], "seq");
  EXPECT_EQ(input.has_range, 1);
  EXPECT_EQ(input.max, 99);
  EXPECT_EQ(hybrid_module_input(module.get(), 4, &input),
            HYBRID_INVALID_ARGUMENT);
  HybridStateInfo state;
  ASSERT_EQ(hybrid_module_state(module.get(), 0, &state), HYBRID_OK);
  EXPECT_STREQ(state.kind, "kv");
  EXPECT_EQ(state.dims[0], -1);
  EXPECT_EQ(state.length_axis, 2);
  EXPECT_EQ(state.bytes_per_sequence, 2u * 16 * 3 * 4);
  EXPECT_EQ(hybrid_module_state_bytes(module.get(), "kv", 3), 3u * 384);
  EXPECT_EQ(hybrid_module_state_bytes(module.get(), nullptr, 1), 384u + 20);
  EXPECT_EQ(hybrid_module_weights_bytes(module.get()), fakeWeightsBytes);
  EXPECT_EQ(hybrid_module_arena_bytes(module.get()), 4096u);
  HybridSymbolInfo symbol;
  ASSERT_EQ(hybrid_module_symbol(module.get(), 2, &symbol), HYBRID_OK);
  EXPECT_STREQ(symbol.role, "past");
  EXPECT_EQ(symbol.capacity, 16);
}

TEST(Artifact, ComputesShapes) {
  const ModulePtr module =
      test::open(makeArtifact("shapes.hyb", languageModel()));
  ASSERT_TRUE(module);
  const int64_t symbols[] = {2, 3, 4, 5};
  HybridTensor inputs[4], outputs[4];
  ASSERT_EQ(hybrid_module_shapes(module.get(), symbols, inputs, outputs),
            HYBRID_OK);
  EXPECT_EQ(inputs[2].dims[1], 7);
  EXPECT_EQ(inputs[2].bytes, 2u * 7 * 8);
  EXPECT_EQ(outputs[0].dims[0], 2);
  const int64_t tooMany[] = {2, 9, 4, 5};
  EXPECT_EQ(hybrid_module_shapes(module.get(), tooMany, inputs, nullptr),
            HYBRID_OVER_CAPACITY);
  EXPECT_TRUE(errorSays({"seq = 9", "8"}));
}

TEST(Artifact, HasNoWeightsToo) {
  const std::string path = temporaryPath("no-weights.hyb");
  ASSERT_EQ(writeArtifact(path, fakeElf().data(), fakeElf().size(),
                          statelessModel("float16").dump(), 0, {}),
            "");
  EXPECT_EQ(openStatus(path, HYBRID_OPEN_VERIFY_WEIGHTS), HYBRID_OK)
      << hybrid_last_error();
}

TEST(Artifact, TakesCodeWithoutSectionHeaders) {
  std::string elf = fakeElf();
  Elf64_Ehdr header = get<Elf64_Ehdr>(elf, 0);
  header.e_shoff = 0;
  header.e_shnum = header.e_shstrndx = header.e_shentsize = 0;
  put(elf, 0, header);
  const std::string path = temporaryPath("stripped.hyb");
  ASSERT_EQ(writeArtifact(path, elf.data(), elf.size(), languageModel().dump(),
                          fakeWeightsBytes, fakeWeights()),
            "");
  EXPECT_EQ(openStatus(path), HYBRID_OK) << hybrid_last_error();
}

TEST(Artifact, ReplacedFileIsLoadedAnew) {
  const std::string path =
      makeArtifact("replaced.hyb", statelessModel("int16"));
  const ModulePtr first = test::open(path);
  makeArtifact("replaced.hyb", languageModel());
  const ModulePtr second = test::open(path);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(hybrid_module_num_inputs(first.get()), 1u);
  EXPECT_EQ(hybrid_module_num_inputs(second.get()), 4u);
}

/// The loader remembers every name by which a loaded file was opened, and
/// descriptors are used again.
TEST(Artifact, OpenedTwiceIsNotTakenForAnother) {
  const std::string one = makeArtifact("one.hyb", statelessModel("int16"));
  const std::string other = makeArtifact("other.hyb", greedyModel());
  const ModulePtr first = test::open(one);
  for (int times = 0; times < 3; ++times) {
    EXPECT_EQ(openStatus(one), HYBRID_OK) << hybrid_last_error();
    // The second file has other functions.
    EXPECT_EQ(openStatus(other), HYBRID_OK) << hybrid_last_error();
  }
}

TEST(Artifact, DescribesForeignTargets) {
  Json manifest = languageModel();
  manifest["target"]["triple"] = "riscv64-unknown-linux-gnu";
  manifest["target"]["features"] = {"v"};
  const std::string path = makeArtifact("riscv.hyb", manifest);
  EXPECT_EQ(openStatus(path), HYBRID_INCOMPATIBLE);
  const ModulePtr module = test::open(path, HYBRID_OPEN_DESCRIBE);
  ASSERT_TRUE(module);
  EXPECT_EQ(hybrid_module_num_inputs(module.get()), 4u);
  HybridSession *session = nullptr;
  EXPECT_EQ(hybrid_session_create(module.get(), nullptr, &session),
            HYBRID_INVALID_ARGUMENT);
  const int64_t symbols[] = {1, 1, 1, 1};
  EXPECT_EQ(hybrid_module_shapes(module.get(), symbols, nullptr, nullptr),
            HYBRID_INVALID_ARGUMENT);
}

//===----------------------------------------------------------------------===//
// Damaged files
//===----------------------------------------------------------------------===//

TEST(Artifact, RefusesMissingFilesAndDirectories) {
  EXPECT_EQ(openStatus(temporaryPath("missing.hyb")), HYBRID_IO_ERROR);
  EXPECT_TRUE(errorSays({"missing.hyb", "No such file"}));
  EXPECT_EQ(openStatus("/"), HYBRID_IO_ERROR);
  EXPECT_EQ(openStatus("/dev/null"), HYBRID_IO_ERROR);
  const std::string pipe = temporaryPath("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(openStatus(pipe), HYBRID_IO_ERROR); // and does not wait
}

TEST(Artifact, RefusesOtherFiles) {
  EXPECT_EQ(openText(""), HYBRID_BAD_FILE);
  EXPECT_EQ(openText("hello"), HYBRID_BAD_FILE);
  EXPECT_EQ(openText(std::string(10000, 'x')), HYBRID_BAD_FILE);
  EXPECT_TRUE(errorSays({"not a .hyb file"}));
  EXPECT_EQ(openText(fakeElf()), HYBRID_BAD_FILE);
  EXPECT_TRUE(errorSays({"hybrid-compile has not written"}));
}

TEST(Artifact, RefusesEveryTruncation) {
  const std::string &text = goodFile();
  for (size_t length = 0; length < text.size();
       length += length < 256 || length + 3000 > text.size() ? 1 : 97)
    ASSERT_EQ(openText(text.substr(0, length)), HYBRID_BAD_FILE) << length;
}

TEST(Artifact, RefusesEveryFlippedByteOfManifestAndSeal) {
  const std::string &text = goodFile();
  for (const char *name : {".hybrid.manifest", ".hybrid.seal"}) {
    const Elf64_Shdr at = section(text, name);
    for (uint64_t i = at.sh_offset; i < at.sh_offset + at.sh_size; ++i) {
      std::string changed = text;
      changed[i] ^= 1 << (i % 8);
      const HybridStatus status = openText(changed);
      ASSERT_TRUE(status == HYBRID_BAD_FILE ||
                  (status == HYBRID_INCOMPATIBLE &&
                   std::string(name) == ".hybrid.seal"))
          << name << " byte " << i - at.sh_offset << ": " << status;
    }
  }
}

TEST(Artifact, RefusesFlippedBytesOfCode) {
  const std::string &text = goodFile();
  const uint64_t end = section(text, ".hybrid.weights").sh_offset;
  for (uint64_t i = 0; i < end; i += i < 1024 ? 1 : 61) {
    std::string changed = text;
    changed[i] ^= 1 << (i % 8);
    const HybridStatus status = openText(changed);
    ASSERT_TRUE(status == HYBRID_BAD_FILE || status == HYBRID_INCOMPATIBLE)
        << "byte " << i << ": " << status;
  }
}

TEST(Artifact, NoFlippedByteCrashes) {
  // Behind the weights lie manifest, seal, names and the section table.
  const std::string &text = goodFile();
  const uint64_t begin = section(text, ".hybrid.weights").sh_offset;
  for (uint64_t i = begin; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] ^= 0xff;
    openText(changed, HYBRID_OPEN_DESCRIBE);
  }
}

TEST(Artifact, WeightsAreCheckedOnRequest) {
  std::string text = goodFile();
  text[section(text, ".hybrid.weights").sh_offset + 100] ^= 4;
  EXPECT_EQ(openText(text), HYBRID_OK);
  EXPECT_EQ(openText(text, HYBRID_OPEN_VERIFY_WEIGHTS), HYBRID_BAD_FILE);
  EXPECT_TRUE(errorSays({"weights do not match their hash"}));
}

TEST(Artifact, SurvivesLyingSectionHeaders) {
  const uint64_t lies[] = {0,         1,          63,
                           4095,      1u << 20,   UINT64_MAX,
                           INT64_MAX, UINT32_MAX, UINT64_MAX - 4095,
                           1ull << 40};
  for (const char *name :
       {".hybrid.weights", ".hybrid.manifest", ".hybrid.seal", ".shstrtab"})
    for (uint64_t lie : lies)
      for (size_t field :
           {offsetof(Elf64_Shdr, sh_offset), offsetof(Elf64_Shdr, sh_size)}) {
        std::string text = goodFile();
        put(text, sectionHeader(text, name) + field, lie);
        EXPECT_EQ(openText(text), HYBRID_BAD_FILE) << name << " " << lie;
      }
}

TEST(Artifact, SurvivesLyingElfHeaders) {
  std::string text = goodFile();
  for (uint64_t lie : {uint64_t(0), uint64_t(64), UINT64_MAX, UINT64_MAX - 1000,
                       uint64_t(text.size() - 1)}) {
    std::string changed = text;
    put(changed, offsetof(Elf64_Ehdr, e_shoff), lie);
    EXPECT_EQ(openText(changed), HYBRID_BAD_FILE);
  }
  for (uint16_t lie : {0, 1, 0xff00, 0xffff}) {
    std::string changed = text;
    put(changed, offsetof(Elf64_Ehdr, e_shnum), lie);
    EXPECT_EQ(openText(changed), HYBRID_BAD_FILE);
    changed = text;
    put(changed, offsetof(Elf64_Ehdr, e_shstrndx), lie);
    EXPECT_EQ(openText(changed), HYBRID_BAD_FILE);
  }
}

TEST(Artifact, SurvivesRandomDamage) {
  std::mt19937 random(1);
  const std::string &text = goodFile();
  for (int round = 0; round < 300; ++round) {
    std::string changed = text;
    for (int i = 0; i < 1 + round % 8; ++i)
      changed[random() % changed.size()] = char(random());
    if (round % 3 == 0)
      changed.resize(random() % changed.size());
    // Whatever is not noticed is padding or weights.
    openText(changed, HYBRID_OPEN_DESCRIBE);
  }
}

//===----------------------------------------------------------------------===//
// Versions and targets
//===----------------------------------------------------------------------===//

TEST(Artifact, RefusesOtherVersions) {
  std::string text = goodFile();
  const size_t seal = section(text, ".hybrid.seal").sh_offset;
  put<uint32_t>(text, seal + 8, HYBRID_ABI_VERSION + 1);
  EXPECT_EQ(openText(text), HYBRID_INCOMPATIBLE);
  EXPECT_TRUE(errorSays(
      {"ABI version " + std::to_string(HYBRID_ABI_VERSION + 1), "compile"}));
  text = goodFile();
  text[seal + 7] = 9;
  EXPECT_EQ(openText(text), HYBRID_INCOMPATIBLE);
  EXPECT_TRUE(errorSays({"container version 9"}));
}

TEST(Manifest, RefusesOtherVersions) {
  Json manifest = languageModel();
  manifest["format"] = "hybrid-artifact";
  manifest["version"] = 2;
  manifest["abi"] = HYBRID_ABI_VERSION;
  try {
    parseManifest(manifest.dump());
    FAIL();
  } catch (const RuntimeError &error) {
    EXPECT_EQ(error.status, HYBRID_INCOMPATIBLE);
    EXPECT_NE(std::string(error.what()).find("format version 2"),
              std::string::npos);
  }
}

static void expectRefusedTarget(const char *key, const Json &value,
                                const std::vector<std::string> &texts) {
  Json manifest = languageModel();
  manifest["target"][key] = value;
  EXPECT_EQ(openStatus(makeArtifact("target.hyb", manifest)),
            HYBRID_INCOMPATIBLE);
  EXPECT_TRUE(errorSays(texts));
}

TEST(Artifact, RefusesOtherTargets) {
  expectRefusedTarget("device", "metal", {"metal", "'cpu'"});
  expectRefusedTarget("triple", "riscv64-unknown-linux-gnu", {"riscv64"});
  const std::string arch =
      languageModel()["target"]["triple"].get<std::string>();
  const std::string darwin = arch.substr(0, arch.find('-')) + "-apple-darwin";
  expectRefusedTarget("triple", darwin, {"darwin", "linux"});
  expectRefusedTarget("features", {"quantum"}, {"quantum", "does not know"});
}

#if defined(__x86_64__)
TEST(Artifact, RefusesMissingFeatures) {
  // No CPU has all of these.
  expectRefusedTarget("features",
                      {"fma4", "tbm", "xop", "amx-fp16", "avx512vp2intersect"},
                      {"does not have"});
}

TEST(Artifact, TakesFeaturesThatEveryCPUHas) {
  Json manifest = languageModel();
  manifest["target"]["features"] = {"+sse2", "-xop", "cmov", "cx8", "64bit"};
  EXPECT_EQ(openStatus(makeArtifact("features.hyb", manifest)), HYBRID_OK)
      << hybrid_last_error();
}
#endif

TEST(Artifact, RefusesMissingFunctions) {
  Json manifest = languageModel();
  manifest["entries"][1]["function"] = "nowhere";
  EXPECT_EQ(openStatus(makeArtifact("function.hyb", manifest)),
            HYBRID_BAD_FILE);
  EXPECT_TRUE(errorSays({"no function 'nowhere'"}));
}

//===----------------------------------------------------------------------===//
// Manifests
//===----------------------------------------------------------------------===//

/// Writing refuses what reading would.
static std::string writeError(const std::function<void(Json &)> &change) {
  Json manifest = languageModel();
  change(manifest);
  const std::string path = temporaryPath("refused.hyb");
  const std::string error =
      writeArtifact(path, fakeElf().data(), fakeElf().size(), manifest.dump(),
                    fakeWeightsBytes, fakeWeights());
  EXPECT_FALSE(exists(path));
  return error;
}

#define EXPECT_REFUSED(change, text)                                           \
  do {                                                                         \
    const std::string error = writeError([](Json &json) { change; });          \
    EXPECT_NE(error.find(text), std::string::npos) << error;                   \
  } while (false)

TEST(Manifest, EveryFieldIsChecked) {
  EXPECT_REFUSED(json.erase("inputs"), "'inputs' is missing");
  EXPECT_REFUSED(json["inputs"] = 3, "'inputs' is not an array");
  EXPECT_REFUSED(json["inputs"][0].erase("dtype"), "'inputs[0].dtype'");
  EXPECT_REFUSED(json["inputs"][0]["dtype"] = "float8", "not a dtype");
  EXPECT_REFUSED(json["inputs"][0]["dims"][0] = -2, "inputs[0].dims[0]");
  EXPECT_REFUSED(json["inputs"][0]["dims"][0] = 1.5, "inputs[0].dims[0]");
  EXPECT_REFUSED(json["inputs"][0]["role"] = "prompt", "'prompt'");
  EXPECT_REFUSED(json["inputs"][0]["range"] = {1}, "range");
  EXPECT_REFUSED(json["inputs"][3]["range"] = Json::array({1, 2}), "integer");
  EXPECT_REFUSED(json["inputs"][1]["dtype"] = "float32", "position_ids");
  EXPECT_REFUSED(json["inputs"][1]["role"] = "positions", "not int64 [batch]");
  EXPECT_REFUSED(json["inputs"][0]["role"] = "positions";
                 json["inputs"][0]["dims"] = Json::array({"batch"}),
                 "must be the last");
  EXPECT_REFUSED(json["inputs"][0]["dims"] = Json(std::vector<int>(17, 1)),
                 "more than 16");
  EXPECT_REFUSED(json["inputs"][1]["name"] = "input_ids", "two inputs");
  EXPECT_REFUSED(json["outputs"][1]["name"] = "logits", "two outputs");
  EXPECT_REFUSED(json["outputs"][1]["name"] = "present_conv.0", "two outputs");
  EXPECT_REFUSED(json["inputs"][1]["name"] = std::string("a\0b", 3), "zero");
  EXPECT_REFUSED(json["inputs"][1]["name"] = "", "empty");
  EXPECT_REFUSED(json["symbols"][1]["role"] = "batch", "two symbols of role");
  EXPECT_REFUSED(json["symbols"][1]["name"] = "batch", "two symbols");
  EXPECT_REFUSED(json["symbols"][1]["capacity"] = UINT64_MAX, "capacity");
  EXPECT_REFUSED(json["symbols"][1]["role"] = "dim";
                 json["symbols"][3]["role"] = "from", "none of role 'seq'");
  EXPECT_REFUSED(json["symbols"][3]["role"] = "from", "smaller capacity");
  EXPECT_REFUSED(json["symbols"][3]["role"] = "from";
                 json["symbols"][3]["capacity"] = 7, "no input binds");
  EXPECT_REFUSED(json["symbols"][3]["role"] = "from";
                 json["symbols"][3]["capacity"] = 7;
                 json["inputs"][3]["dims"][0] = "seq - n", "no input binds");
  EXPECT_REFUSED(json["states"][0]["kind"] = "cache", "'cache'");
  EXPECT_REFUSED(json["states"][0].erase("length_axis"), "length_axis");
  EXPECT_REFUSED(json["states"][0]["length_axis"] = 4, "length_axis");
  EXPECT_REFUSED(json["states"][0]["length_axis"] = 0, "is the batch");
  EXPECT_REFUSED(json["states"][0]["kind"] = "kv-window", "window");
  EXPECT_REFUSED(json["states"][0]["kind"] = "kv-window";
                 json["states"][0]["window"] = 0;
                 json["states"][0]["sinks"] = 2, "window");
  EXPECT_REFUSED(json["states"][0]["kind"] = "kv-window";
                 json["states"][0]["window"] = 15;
                 json["states"][0]["sinks"] = 2,
                 "keeps more positions than its capacity");
  EXPECT_REFUSED(json["states"][0]["dims"][1] = "seq", "dims[1]");
  EXPECT_REFUSED(json["states"][0]["dims"][1] = INT64_C(1) << 39;
                 json["states"][0]["dims"][2] = INT64_C(1) << 39, "too large");
  EXPECT_REFUSED(json["entries"] = Json::array(), "'entries' is empty");
  EXPECT_REFUSED(json["entries"][0]["requires"]["width"] = 1, "'width'");
  EXPECT_REFUSED(json["entries"][0].erase("shapes"), "shapes");
  EXPECT_REFUSED(json["arena_bytes"] = -1, "arena_bytes");
  EXPECT_REFUSED(json["kernels"][0] = 1, "kernels[0]");
  EXPECT_REFUSED(json["target"].erase("features"), "target.features");
  EXPECT_REFUSED(json["symbols"].erase(1); json["inputs"][0]["role"] = "data";
                 json["entries"].erase(0), "how many tokens");
}

TEST(Manifest, SurvivesDeepNesting) {
  EXPECT_THROW(parseManifest(std::string(100000, '[')), RuntimeError);
  EXPECT_THROW(parseManifest("{\"a\":" + std::string(100000, '[') +
                             std::string(100000, ']') + "}"),
               RuntimeError);
}

//===----------------------------------------------------------------------===//
// Failing writes
//===----------------------------------------------------------------------===//

static std::string writeWith(uint64_t weightsBytes,
                             const std::vector<WeightChunk> &chunks,
                             const std::string &path) {
  return writeArtifact(path, fakeElf().data(), fakeElf().size(),
                       languageModel().dump(), weightsBytes, chunks);
}

TEST(Writer, LeavesNoFileOnFailure) {
  const std::string path = temporaryPath("unwritten/file.hyb");
  std::filesystem::create_directories(temporaryPath("unwritten"));
  const auto none = [](const ByteSink &) { return std::string(); };
  const auto some = [](size_t bytes) {
    return [bytes](const ByteSink &sink) {
      const std::string data(bytes, 'x');
      sink(data.data(), data.size());
      return std::string();
    };
  };
  const auto failing = [](const ByteSink &) {
    return std::string("weight file is gone");
  };
  EXPECT_NE(writeWith(64, {{32, 8, none}}, path).find("aligned"),
            std::string::npos);
  EXPECT_NE(writeWith(64, {{0, 65, none}}, path).find("outside"),
            std::string::npos);
  EXPECT_NE(writeWith(64, {{UINT64_MAX - 63, 64, none}}, path).find("outside"),
            std::string::npos);
  EXPECT_NE(writeWith(256, {{0, 128, some(128)}, {64, 64, some(64)}}, path)
                .find("overlaps"),
            std::string::npos);
  EXPECT_NE(writeWith(64, {{0, 64, some(63)}}, path).find("fewer"),
            std::string::npos);
  EXPECT_NE(writeWith(64, {{0, 64, some(65)}}, path).find("more"),
            std::string::npos);
  EXPECT_EQ(writeWith(64, {{0, 64, failing}}, path), "weight file is gone");
  EXPECT_NE(writeArtifact(path, "ELF", 3, "{}", 0, {}), "");
  EXPECT_NE(
      writeArtifact(path, fakeElf().data(), fakeElf().size(), "[]", 0, {}), "");
  EXPECT_NE(writeArtifact(path, fakeElf().data(), 100, "{}", 0, {}), "");
  EXPECT_TRUE(std::filesystem::is_empty(temporaryPath("unwritten")));
  EXPECT_NE(writeWith(256, fakeWeights(), temporaryPath("no/such/dir.hyb")),
            "");
}

TEST(Writer, FillsGapsWithZeros) {
  const std::string path = temporaryPath("gaps.hyb");
  const auto one = [](const ByteSink &sink) {
    sink("x", 1);
    return std::string();
  };
  ASSERT_EQ(writeWith(256, {{128, 1, one}}, path), "");
  const std::string text = readText(path);
  std::string expected(256, '\0');
  expected[128] = 'x';
  EXPECT_EQ(text.substr(section(text, ".hybrid.weights").sh_offset, 256),
            expected);
}

TEST(Writer, KeepsTheOldFileOnFailure) {
  const std::string path = makeArtifact("kept.hyb", languageModel());
  const std::string before = readText(path);
  EXPECT_NE(
      writeWith(64,
                {{0, 64, [](const ByteSink &) { return std::string("no"); }}},
                path),
      "");
  EXPECT_EQ(readText(path), before);
}

TEST(Writer, ReportsAFullDisk) {
  const std::string path = temporaryPath("full/file.hyb");
  std::filesystem::create_directories(temporaryPath("full"));
  // Stands for a full disk: files of this process may not grow further.
  struct rlimit old;
  getrlimit(RLIMIT_FSIZE, &old);
  struct rlimit small = old;
  small.rlim_cur = 200000;
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  const auto big = [](const ByteSink &sink) {
    const std::string block(1 << 16, 'x');
    for (int i = 0; i < 64; ++i)
      if (!sink(block.data(), block.size()))
        return std::string("stopped");
    return std::string();
  };
  const std::string error = writeWith(1 << 22, {{0, 1 << 22, big}}, path);
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_NE(error.find("cannot write"), std::string::npos) << error;
  EXPECT_TRUE(std::filesystem::is_empty(temporaryPath("full")));
}
