//===- DocsTest.cpp - the example in docs/runtime-c-api.md ----------------===//

#include "FakeArtifact.h"

#include <gtest/gtest.h>

#include <cstdlib>

using namespace hybrid;
using namespace hybrid::test;

#ifndef __SANITIZE_ADDRESS__ // the C compiler would have to be told, too
TEST(Docs, TheExampleWorks) {
  const std::string page =
      readText(std::string(HYBRID_TEST_DOCS) + "/runtime-c-api.md");
  const std::string fence = "```c\n";
  const size_t begin = page.find(fence), end = page.find("```\n", begin + 4);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const std::string source = temporaryPath("greedy.c"),
                    program = temporaryPath("greedy"),
                    output = temporaryPath("greedy.txt");
  writeText(source,
            page.substr(begin + fence.size(), end - begin - fence.size()));
  const std::string library = HYBRID_TEST_LIBRARY;
  ASSERT_EQ(
      std::system((std::string(HYBRID_TEST_CC) +
                   " -std=c99 -Wall -Wextra -Werror -pedantic " + source +
                   " -I" + HYBRID_TEST_INCLUDE + " -L" + library +
                   " -lhybrid-runtime -Wl,-rpath," + library + " -o " + program)
                      .c_str()),
      0);
  const std::string model = makeArtifact("greedy.hyb", greedyModel());
  const std::string call = program + " " + model + " 4 ";
  ASSERT_EQ(std::system((call + "1 2 > " + output).c_str()), 0);
  // Sums 3, 6, 12 and 17, modulo 7.
  EXPECT_EQ(readText(output), "3\n6\n5\n3\n");
  // Nine tokens are more than the model takes.
  ASSERT_NE(std::system((call + "1 2 3 4 5 6 7 8 9 2> " + output).c_str()), 0);
  EXPECT_NE(readText(output).find("seq = 9"), std::string::npos);
}
#endif
