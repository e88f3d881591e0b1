//===- NpzTest.cpp - npz files, good and hostile --------------------------===//

#include "FakeArtifact.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <filesystem>
#include <random>

using namespace hybrid;
using namespace hybrid::test;

namespace {

/// A npy file with the given header dictionary.
std::string npy(const std::string &header, const std::string &data,
                int version = 1) {
  std::string text = "\x93NUMPY";
  text += char(version);
  text += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i)
    text += char(header.size() >> (8 * i) & 0xff);
  return text + header + data;
}

std::string header(const std::string &descr, const std::string &shape,
                   bool fortran = false) {
  return "{'descr': '" + descr +
         "', 'fortran_order': " + (fortran ? "True" : "False") +
         ", 'shape': " + shape + ", }  \n";
}

std::string parseError(const std::string &text) {
  NpyArray array;
  return parseNpy(text.data(), text.size(), array);
}

void add(std::string &text, uint64_t value, int width) {
  for (int i = 0; i < width; ++i, value >>= 8)
    text += char(value & 0xff);
}

std::string deflated(const std::string &data) {
  std::string out(data.size() + 1000, '\0');
  z_stream stream = {};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(data.data()));
  stream.avail_in = unsigned(data.size());
  stream.next_out = reinterpret_cast<Bytef *>(&out[0]);
  stream.avail_out = unsigned(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// A zip file of one entry, as numpy.savez_compressed writes it; `size` may
/// lie.
std::string zipOf(const std::string &name, const std::string &content,
                  int method = 8, uint32_t size = 0, int flags = 0) {
  const std::string packed = method == 8 ? deflated(content) : content;
  const uint32_t crc =
      uint32_t(crc32(0, reinterpret_cast<const Bytef *>(content.data()),
                     unsigned(content.size())));
  std::string common;
  add(common, 20, 2);
  add(common, uint64_t(flags), 2);
  add(common, uint64_t(method), 2);
  add(common, 0, 4);
  add(common, crc, 4);
  add(common, packed.size(), 4);
  add(common, size ? size : content.size(), 4);
  add(common, name.size(), 2);
  add(common, 0, 2);
  std::string text;
  add(text, 0x04034b50, 4);
  text += common + name + packed;
  const size_t directory = text.size();
  add(text, 0x02014b50, 4);
  add(text, 20, 2);
  text += common;
  add(text, 0, 2 + 2 + 2 + 4);
  add(text, 0, 4);
  text += name;
  const size_t bytes = text.size() - directory;
  add(text, 0x06054b50, 4);
  add(text, 0, 4);
  add(text, 1, 2);
  add(text, 1, 2);
  add(text, bytes, 4);
  add(text, directory, 4);
  add(text, 0, 2);
  return text;
}

std::string readError(const std::string &text, std::vector<NpyArray> &arrays) {
  const std::string path = temporaryPath("some.npz");
  writeText(path, text);
  return readNpz(path, arrays);
}

} // namespace

TEST(Npz, RoundTrip) {
  const float floats[6] = {1, 2, 3, 4, 5, NAN};
  const int64_t integer = -7;
  const bool flags[2] = {true, false};
  const std::string path = temporaryPath("round.npz");
  ASSERT_EQ(writeNpz(path, {{"a.b/c", HYBRID_FLOAT32, {2, 3}, floats},
                            {"scalar", HYBRID_INT64, {}, &integer},
                            {"empty", HYBRID_FLOAT16, {0, 4}, nullptr},
                            {"flags", HYBRID_BOOL, {2}, flags}}),
            "");
  std::vector<NpyArray> arrays;
  ASSERT_EQ(readNpz(path, arrays), "");
  ASSERT_EQ(arrays.size(), 4u);
  EXPECT_EQ(arrays[0].name, "a.b/c");
  EXPECT_EQ(arrays[0].dims, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(arrays[0].data,
            std::string(reinterpret_cast<const char *>(floats), 24));
  EXPECT_EQ(arrays[1].dtype, HYBRID_INT64);
  EXPECT_TRUE(arrays[1].dims.empty());
  EXPECT_EQ(arrays[1].data,
            std::string(reinterpret_cast<const char *>(&integer), 8));
  EXPECT_EQ(arrays[2].dims, (std::vector<int64_t>{0, 4}));
  EXPECT_TRUE(arrays[2].data.empty());
  EXPECT_EQ(arrays[3].dtype, HYBRID_BOOL);
}

TEST(Npz, WritesNothingOnFailure) {
  std::filesystem::create_directories(temporaryPath("npz"));
  const std::string path = temporaryPath("npz/file.npz");
  EXPECT_NE(writeNpz(path, {{"x", HYBRID_BFLOAT16, {0}, nullptr}}), "");
  EXPECT_TRUE(std::filesystem::is_empty(temporaryPath("npz")));
  EXPECT_NE(writeNpz(temporaryPath("none/file.npz"), {}), "");
}

TEST(Npz, ReadsDeflatedArchives) {
  std::vector<NpyArray> arrays;
  const std::string content = npy(header("<i4", "(2,)"), "abcdefgh");
  ASSERT_EQ(readError(zipOf("x.npy", content), arrays), "");
  ASSERT_EQ(arrays.size(), 1u);
  EXPECT_EQ(arrays[0].name, "x");
  EXPECT_EQ(arrays[0].data, "abcdefgh");
  ASSERT_EQ(readError(zipOf("x.npy", content, 0), arrays), "");
}

TEST(Npz, RefusesHostileArchives) {
  std::vector<NpyArray> arrays;
  const std::string content = npy(header("|u1", "(5,)"), "hello");
  const auto error = [&](const std::string &text) {
    const std::string message = readError(text, arrays);
    EXPECT_TRUE(arrays.empty());
    return message;
  };
  EXPECT_NE(error(zipOf("x.npy", content, 8, 0xf0000000)).find("damaged"),
            std::string::npos);
  EXPECT_NE(error(zipOf("x.npy", content, 8, 5)).find("damaged"),
            std::string::npos);
  EXPECT_NE(error(zipOf("x.npy", content, 0, 5)).find("damaged"),
            std::string::npos);
  EXPECT_NE(error(zipOf("x.npy", content, 12)).find("method 12"),
            std::string::npos);
  EXPECT_NE(error(zipOf("x.npy", content, 8, 0, 1)).find("encrypted"),
            std::string::npos);
  EXPECT_NE(error(zipOf("x.txt", content)).find("not an array"),
            std::string::npos);
  EXPECT_NE(error("").find("not a zip"), std::string::npos);
  EXPECT_NE(error(content).find("not a zip"), std::string::npos);
  EXPECT_NE(readNpz(temporaryPath("missing.npz"), arrays).find("No such file"),
            std::string::npos);
  EXPECT_NE(readNpz("/", arrays), "");
}

TEST(Npz, RefusesEntriesThatShareBytes) {
  const std::string content = npy(header("|u1", "(5,)"), "hello");
  std::string text = zipOf("x.npy", content, 0);
  // The directory names the same bytes many times, under different names.
  const size_t end = text.size() - 22,
               begin = end - 46 - std::string("x.npy").size();
  const std::string record = text.substr(begin, end - begin);
  std::string directory;
  for (char name = 'a'; name <= 'z'; ++name) {
    directory += record;
    directory[directory.size() - 5] = name;
  }
  std::string tail = text.substr(end);
  tail[8] = tail[10] = 26;
  text = text.substr(0, begin) + directory + tail;
  std::vector<NpyArray> arrays;
  EXPECT_NE(readError(text, arrays).find("overlap"), std::string::npos);
}

TEST(Npz, SurvivesTruncationAndDamage) {
  const float floats[6] = {};
  const std::string path = temporaryPath("whole.npz");
  ASSERT_EQ(writeNpz(path, {{"x", HYBRID_FLOAT32, {2, 3}, floats},
                            {"y", HYBRID_FLOAT32, {6}, floats}}),
            "");
  std::vector<NpyArray> arrays;
  std::mt19937 random(3);
  for (const std::string &text :
       {readText(path),
        zipOf("x.npy", npy(header("<f4", "(6,)"), std::string(24, 'x')))}) {
    for (size_t length = 0; length < text.size(); ++length)
      ASSERT_NE(readError(text.substr(0, length), arrays), "") << length;
    for (size_t i = 0; i < text.size(); ++i)
      for (unsigned char mask : {0x01, 0x80, 0xff}) {
        std::string changed = text;
        changed[i] = char(changed[i] ^ mask);
        readError(changed, arrays);
      }
    for (int round = 0; round < 2000; ++round) {
      std::string changed = text;
      for (int i = 0; i < 6; ++i)
        changed[random() % changed.size()] = char(random());
      readError(changed, arrays);
    }
  }
}

TEST(Npy, ReadsVersionsAndOrders) {
  NpyArray array;
  const std::string text = npy(
      "{'shape': (2, 3), 'descr':\"|u1\", 'fortran_order':True}", "adbecf", 2);
  ASSERT_EQ(parseNpy(text.data(), text.size(), array), "");
  EXPECT_EQ(array.data, "abcdef");
  EXPECT_EQ(array.dims, (std::vector<int64_t>{2, 3}));
  // Element [i, j, k] lies at i + 2 j + 4 k.
  const std::string cube = npy(header("|i1", "(2, 2, 2)", true), "abcdefgh");
  ASSERT_EQ(parseNpy(cube.data(), cube.size(), array), "");
  EXPECT_EQ(array.data, "aecgbfdh");
}

TEST(Npy, RefusesWhatItDoesNotMean) {
  EXPECT_NE(parseError(npy(header(">f4", "(1,)"), "abcd")).find("big-endian"),
            std::string::npos);
  EXPECT_NE(parseError(npy(header("|O", "(1,)"), "abcd")).find("'|O'"),
            std::string::npos);
  EXPECT_NE(parseError(npy(header("<c8", "(1,)"), "abcdabcd")).find("<c8"),
            std::string::npos);
  EXPECT_NE(parseError(npy("{'descr': [('a', '<f4')], 'shape': ()}", ""))
                .find("record"),
            std::string::npos);
  EXPECT_NE(parseError(npy(header("<f4", "(2,)"), "abcd")).find("needs 8"),
            std::string::npos);
  EXPECT_NE(parseError(npy(header("<f4", "(1,)"), "abcdefgh")).find("needs 4"),
            std::string::npos);
  EXPECT_NE(parseError(npy(header("<f4", "(4294967296, 4294967296)"), ""))
                .find("too large"),
            std::string::npos);
  EXPECT_NE(parseError(npy(header("<f4", "(99999999999999999999,)"), "")), "");
  EXPECT_NE(parseError(npy(header("<f4", "(-1,)"), "")), "");
  EXPECT_NE(
      parseError(npy(header("|u1", "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)"), "a"))
          .find("more than 16"),
      std::string::npos);
  EXPECT_NE(parseError(npy("{}", "")).find("lacks"), std::string::npos);
  EXPECT_NE(parseError(npy("{'evil': 1}", "")), "");
  EXPECT_NE(parseError(npy("", "")), "");
  EXPECT_NE(parseError(npy("{'descr': '<f4", "")), "");
  EXPECT_NE(parseError("hello world, not npy").find("npy format"),
            std::string::npos);
}
