//===- WeightStore.cpp - The bytes behind onnx.source ---------------------===//

#include "hybrid/Import/WeightStore.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

#include <sys/mman.h>

using namespace llvm;
using namespace hybrid;

namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

struct WeightStore::MappedFile {
  uint64_t size = 0;
  std::unique_ptr<fs::mapped_file_region> region;
};

static std::string realPath(StringRef name) {
  SmallString<256> result;
  if (fs::real_path(name, result))
    return "";
  return std::string(result);
}

WeightStore::WeightStore(StringRef modelPath)
    : folder(path::parent_path(modelPath).str()) {
  if (folder.empty())
    folder = ".";
  roots.push_back(realPath(folder));
  roots.push_back(path::parent_path(realPath(modelPath)).str());
}

WeightStore::~WeightStore() = default;
WeightStore::WeightStore(WeightStore &&) = default;

template <typename... Args>
static Error fileError(StringRef file, const char *format, Args &&...args) {
  std::string text = formatv(format, std::forward<Args>(args)...);
  return createStringError(inconvertibleErrorCode(),
                           formatv("data file '{0}' {1}", file, text).str());
}

/// Whether the real path `file` lies in the real folder `root`.
static bool isInside(StringRef file, StringRef root) {
  if (root.empty() || !file.consume_front(root))
    return false;
  return root.ends_with("/") || file.starts_with("/");
}

/// The real path of `file`, after all checks that need only names.
Expected<std::string> WeightStore::resolve(StringRef file) const {
  if (file.empty())
    return fileError(file, "has an empty name");
  if (file.contains('\0'))
    return fileError(file, "has a NUL in its name");
  if (path::is_absolute(file))
    return fileError(file, "is an absolute path; it must be relative to the "
                           "folder of the model");
  for (auto it = path::begin(file), end = path::end(file); it != end; ++it)
    if (*it == "..")
      return fileError(file, "has '..' in its path; it must lie in the folder "
                             "of the model");
  SmallString<256> name(folder);
  path::append(name, file);
  SmallString<256> real;
  if (std::error_code error = fs::real_path(name, real))
    return fileError(file, "cannot be opened: {0}", error.message());
  if (none_of(roots, [&](StringRef root) { return isInside(real, root); }))
    return fileError(file, "is a link that leaves the folder of the model");
  return std::string(real);
}

Expected<WeightStore::MappedFile *> WeightStore::open(StringRef file) {
  std::unique_ptr<MappedFile> &slot = files[file];
  if (slot)
    return slot.get();
  Expected<std::string> real = resolve(file);
  if (!real)
    return real.takeError();

  fs::file_status status;
  if (std::error_code error = fs::status(*real, status))
    return fileError(file, "cannot be opened: {0}", error.message());
  // Opening a pipe or a device could block or have effects.
  if (status.type() != fs::file_type::regular_file)
    return fileError(file, "is not a regular file");
  Expected<fs::file_t> handle = fs::openNativeFileForRead(*real);
  if (!handle)
    return fileError(file, "cannot be opened: {0}",
                     toString(handle.takeError()));

  auto mapped = std::make_unique<MappedFile>();
  std::error_code error = fs::status(*handle, status);
  if (!error && status.type() != fs::file_type::regular_file)
    error = std::make_error_code(std::errc::invalid_argument);
  if (!error) {
    mapped->size = status.getSize();
    if (mapped->size > 0)
      mapped->region = std::make_unique<fs::mapped_file_region>(
          *handle, fs::mapped_file_region::readonly, mapped->size, 0, error);
  }
  fs::closeFile(*handle);
  if (error)
    return fileError(file, "cannot be read: {0}", error.message());
  slot = std::move(mapped);
  return slot.get();
}

Expected<uint64_t> WeightStore::getFileSize(StringRef file) {
  Expected<MappedFile *> mapped = open(file);
  if (!mapped)
    return mapped.takeError();
  return (*mapped)->size;
}

Expected<ArrayRef<char>> WeightStore::get(StringRef file, uint64_t offset,
                                          uint64_t length) {
  Expected<MappedFile *> mapped = open(file);
  if (!mapped)
    return mapped.takeError();
  uint64_t size = (*mapped)->size;
  if (offset > size || length > size - offset)
    return fileError(file, "has {0} bytes; {1} bytes at offset {2} are needed",
                     size, length, offset);
  if (length == 0)
    return ArrayRef<char>();
  return ArrayRef<char>((*mapped)->region->const_data() + offset, length);
}

void WeightStore::release() {
  for (auto &entry : files)
    if (entry.second && entry.second->region)
      // What the mapping's own dontNeed() asks for, glibc ignores.
      madvise(const_cast<char *>(entry.second->region->const_data()),
              entry.second->size, MADV_DONTNEED);
}

Expected<ArrayRef<char>> WeightStore::get(onnx::SourceAttr source) {
  return get(source.getFile(), source.getOffset(), source.getLength());
}
