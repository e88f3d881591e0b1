//===- Link.cpp - object to shared object, in process ---------------------===//

#include "hybrid/Target/CPU/CPUTarget.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace llvm;

namespace hybrid {

Expected<SmallVector<char, 0>> linkShared(ArrayRef<char> object,
                                          const CPUTarget &target) {
  // lld has global state.
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);

  SmallString<128> objectPath, sharedPath;
  int fd;
  if (auto error =
          sys::fs::createTemporaryFile("hybrid", "o", fd, objectPath))
    return createStringError(error, "cannot create a temporary file");
  scope_exit removeObject([&] { (void)sys::fs::remove(objectPath); });
  {
    raw_fd_ostream os(fd, /*shouldClose=*/true);
    os.write(object.data(), object.size());
    os.flush();
    if (os.has_error()) {
      std::error_code error = os.error();
      os.clear_error();
      return createStringError(error, "cannot write " + objectPath);
    }
  }
  if (auto error = sys::fs::createTemporaryFile("hybrid", "so", sharedPath))
    return createStringError(error, "cannot create a temporary file");
  scope_exit removeShared([&] { (void)sys::fs::remove(sharedPath); });

  std::string messages;
  raw_string_ostream os(messages);
  const char *args[] = {"ld.lld",    "-shared",          "--gc-sections",
                        "-soname",   "hybrid-artifact",  "--hash-style=gnu",
                        "-z",        "noexecstack",      "--build-id=none",
                        objectPath.c_str(), "-o",        sharedPath.c_str()};
  lld::Result result =
      lld::lldMain(args, os, os, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0)
    return createStringError("linking went wrong: " + messages);
  auto buffer = MemoryBuffer::getFile(sharedPath, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError(buffer.getError(), "cannot read " + sharedPath);
  StringRef bytes = (*buffer)->getBuffer();
  return SmallVector<char, 0>(bytes.begin(), bytes.end());
}

} // namespace hybrid
