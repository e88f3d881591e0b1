//===- Assemble.cpp - PTX to machine code ---------------------------------===//

#include "hybrid/Target/NVPTX/GPUTarget.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace hybrid {

std::optional<std::string> findPtxas() {
  if (auto found = sys::findProgramByName("ptxas"))
    return *found;
  std::vector<std::string> roots;
  if (auto home = sys::Process::GetEnv("CUDA_HOME"))
    roots.push_back(*home);
  roots.push_back("/usr/local/cuda");
  for (const std::string &root : roots) {
    SmallString<128> path(root);
    sys::path::append(path, "bin", "ptxas");
    if (sys::fs::can_execute(path))
      return path.str().str();
  }
  return std::nullopt;
}

static Expected<std::string> readFile(StringRef path) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError(buffer.getError(), "cannot read " + path);
  return (*buffer)->getBuffer().str();
}

Expected<SmallVector<char, 0>> assemble(StringRef ptxas, StringRef ptx,
                                        const GPUTarget &target,
                                        std::string &log) {
  SmallString<128> input, output, messages;
  int fd;
  if (auto error = sys::fs::createTemporaryFile("hybrid", "ptx", fd, input))
    return createStringError(error, "cannot create a temporary file");
  scope_exit removeInput([&] { (void)sys::fs::remove(input); });
  {
    raw_fd_ostream os(fd, /*shouldClose=*/true);
    os << ptx;
    os.flush();
    if (os.has_error()) {
      std::error_code error = os.error();
      os.clear_error();
      return createStringError(error, "cannot write " + input);
    }
  }
  if (auto error = sys::fs::createTemporaryFile("hybrid", "cubin", output))
    return createStringError(error, "cannot create a temporary file");
  scope_exit removeOutput([&] { (void)sys::fs::remove(output); });
  if (auto error = sys::fs::createTemporaryFile("hybrid", "log", messages))
    return createStringError(error, "cannot create a temporary file");
  scope_exit removeMessages([&] { (void)sys::fs::remove(messages); });
  std::string arch = "-arch=" + target.arch;
  StringRef args[] = {ptxas, arch, "-O3", "-v", input, "-o", output};
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(messages),
                                          StringRef(messages)};
  std::string error;
  int status =
      sys::ExecuteAndWait(ptxas, args, std::nullopt, redirects, 0, 0, &error);
  auto text = readFile(messages);
  if (!text)
    return text.takeError();
  log = *text;
  if (status != 0)
    return createStringError(
        ptxas + " went wrong: " + (error.empty() ? StringRef(log) : error));
  auto image = readFile(output);
  if (!image)
    return image.takeError();
  return SmallVector<char, 0>(image->begin(), image->end());
}

} // namespace hybrid
