//===- Npz.cpp - reading and writing npz files ----------------------------===//
//
// The zip part follows the central directory (never local headers alone), knows
// zip64, and checks every offset against the file and every array against its
// CRC-32.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Runtime/Npz.h"
#include "OutputFile.h"
#include "Text.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

using namespace hybrid;

namespace {

struct NpzError {
  std::string message;
};

[[noreturn]] void fail(const std::string &message) { throw NpzError{message}; }

/// Bytes in memory with checked little-endian reads.
class Bytes {
public:
  Bytes(const void *data, uint64_t size)
      : data(static_cast<const unsigned char *>(data)), size(size) {}

  uint64_t integer(uint64_t offset, unsigned width) const {
    need(offset, width);
    uint64_t value = 0;
    for (unsigned i = 0; i < width; ++i)
      value |= uint64_t(data[offset + i]) << (8 * i);
    return value;
  }

  Bytes range(uint64_t offset, uint64_t length) const {
    need(offset, length);
    return Bytes(data + offset, length);
  }

  std::string text(uint64_t offset, uint64_t length) const {
    need(offset, length);
    return std::string(reinterpret_cast<const char *>(data) + offset, length);
  }

  const unsigned char *data;
  uint64_t size;

private:
  void need(uint64_t offset, uint64_t length) const {
    if (offset > size || length > size - offset)
      fail("the file is truncated or damaged");
  }
};

} // namespace

//===----------------------------------------------------------------------===//
// npy
//===----------------------------------------------------------------------===//

namespace {

const struct {
  char kind;
  int size;
  HybridDtype dtype;
} npyTypes[] = {{'f', 4, HYBRID_FLOAT32}, {'f', 2, HYBRID_FLOAT16},
                {'f', 8, HYBRID_FLOAT64}, {'i', 1, HYBRID_INT8},
                {'i', 2, HYBRID_INT16},   {'i', 4, HYBRID_INT32},
                {'i', 8, HYBRID_INT64},   {'u', 1, HYBRID_UINT8},
                {'u', 2, HYBRID_UINT16},  {'u', 4, HYBRID_UINT32},
                {'u', 8, HYBRID_UINT64},  {'b', 1, HYBRID_BOOL}};

/// The Python literal in an npy header: a dictionary of strings, booleans and
/// tuples of integers.
class NpyHeader {
public:
  explicit NpyHeader(const std::string &text) : text(text) {
    expect('{');
    while (!accept('}')) {
      entry();
      if (accept(','))
        continue;
      expect('}');
      break;
    }
    if (!hasDescr || !hasOrder || !hasShape)
      fail("the header of an array lacks descr, fortran_order or shape");
  }

  HybridDtype dtype = HYBRID_FLOAT32;
  bool fortranOrder = false;
  std::vector<int64_t> dims;

private:
  void entry() {
    const std::string key = string();
    expect(':');
    if (key == "descr") {
      hasDescr = true;
      setDtype();
    } else if (key == "fortran_order") {
      hasOrder = true;
      fortranOrder = boolean();
    } else if (key == "shape") {
      hasShape = true;
      tuple();
    } else {
      fail("the header of an array has the unknown key '" + key + "'");
    }
  }

  void setDtype() {
    skipSpace();
    if (at < text.size() && text[at] == '[')
      fail("the array is a record array; plain arrays are needed");
    const std::string descr = string();
    if (descr.size() >= 3 && descr[0] == '>')
      fail("the array is big-endian (" + descr + "); store it little-endian");
    for (const auto &type : npyTypes)
      if (descr.size() >= 3 && descr[1] == type.kind &&
          descr.substr(2) == std::to_string(type.size)) {
        dtype = type.dtype;
        return;
      }
    fail("the array has the dtype '" + descr +
         "'; booleans, integers and floats of up to 64 bits are read "
         "(bfloat16 is stored as float32)");
  }

  bool boolean() {
    skipSpace();
    for (const char *word : {"True", "False"})
      if (!text.compare(at, std::strlen(word), word)) {
        at += std::strlen(word);
        return word[0] == 'T';
      }
    broken();
  }

  void tuple() {
    expect('(');
    while (!accept(')')) {
      dims.push_back(integer());
      if (dims.size() > HYBRID_MAX_RANK)
        fail("the array has more than " + std::to_string(HYBRID_MAX_RANK) +
             " dimensions");
      if (accept(','))
        continue;
      expect(')');
      break;
    }
  }

  int64_t integer() {
    skipSpace();
    const size_t begin = at;
    int64_t value = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at)
      if (__builtin_mul_overflow(value, int64_t(10), &value) ||
          __builtin_add_overflow(value, int64_t(text[at] - '0'), &value))
        broken();
    if (at == begin)
      broken();
    if (at < text.size() && text[at] == 'L') // written by Python 2
      ++at;
    return value;
  }

  std::string string() {
    skipSpace();
    if (at >= text.size() || (text[at] != '\'' && text[at] != '"'))
      broken();
    const char quote = text[at++];
    const size_t end = text.find(quote, at);
    if (end == std::string::npos)
      broken();
    const std::string result = text.substr(at, end - at);
    at = end + 1;
    return result;
  }

  bool accept(char c) {
    skipSpace();
    if (at >= text.size() || text[at] != c)
      return false;
    ++at;
    return true;
  }

  void expect(char c) {
    if (!accept(c))
      broken();
  }

  void skipSpace() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n'))
      ++at;
  }

  [[noreturn]] void broken() { fail("the header of an array is damaged"); }

  const std::string &text;
  size_t at = 0;
  bool hasDescr = false, hasOrder = false, hasShape = false;
};

/// Copies an array whose first index runs fastest into row-major order.
void transpose(const char *from, const std::vector<int64_t> &dims,
               size_t itemBytes, std::string &to) {
  const size_t count = to.size() / itemBytes;
  std::vector<size_t> strides(dims.size()), index(dims.size());
  size_t stride = 1;
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    strides[axis] = stride;
    stride *= size_t(dims[axis]);
  }
  size_t source = 0;
  for (size_t i = 0; i < count; ++i) {
    std::memcpy(&to[i * itemBytes], from + source * itemBytes, itemBytes);
    for (size_t axis = dims.size(); axis-- > 0;) {
      source += strides[axis];
      if (++index[axis] < size_t(dims[axis]))
        break;
      source -= strides[axis] * size_t(dims[axis]);
      index[axis] = 0;
    }
  }
}

void readNpy(const Bytes &bytes, NpyArray &array) {
  static const char magic[] = "\x93NUMPY";
  if (bytes.text(0, 6) != magic)
    fail("an array is not in npy format");
  const unsigned wide = bytes.integer(6, 1) >= 2 ? 4 : 2;
  const uint64_t headerBytes = bytes.integer(8, wide);
  const std::string text = bytes.text(8 + wide, headerBytes);
  const NpyHeader header(text);
  array.dtype = header.dtype;
  array.dims = header.dims;
  const size_t itemBytes = hybrid_dtype_size(header.dtype);
  uint64_t needed = itemBytes;
  for (int64_t dim : header.dims)
    if (__builtin_mul_overflow(needed, uint64_t(dim), &needed))
      fail("an array's shape is too large");
  const uint64_t begin = 8 + wide + headerBytes;
  if (bytes.size - begin != needed)
    fail("an array has " + std::to_string(bytes.size - begin) +
         " bytes, its shape " +
         shapeText(header.dims.data(), int64_t(header.dims.size())) +
         " needs " + std::to_string(needed));
  const char *data = reinterpret_cast<const char *>(bytes.data) + begin;
  if (!header.fortranOrder || header.dims.size() < 2) {
    array.data.assign(data, needed);
    return;
  }
  array.data.resize(needed);
  transpose(data, header.dims, itemBytes, array.data);
}

} // namespace

std::string hybrid::parseNpy(const void *data, size_t bytes, NpyArray &array) {
  try {
    readNpy(Bytes(data, bytes), array);
    return {};
  } catch (const NpzError &error) {
    return error.message;
  } catch (const std::exception &error) {
    return error.what();
  }
}

//===----------------------------------------------------------------------===//
// Reading zip
//===----------------------------------------------------------------------===//

namespace {

constexpr uint64_t endBytes = 22, centralBytes = 46, localBytes = 30;
constexpr uint32_t endMagic = 0x06054b50, centralMagic = 0x02014b50,
                   localMagic = 0x04034b50, end64Magic = 0x06064b50,
                   locator64Magic = 0x07064b50;
constexpr uint32_t all32 = 0xffffffff;

struct ZipEntry {
  std::string name;
  unsigned flags, method;
  uint32_t crc;
  uint64_t packed, size, offset;
};

struct Directory {
  uint64_t entries, offset;
};

Directory findDirectory(const Bytes &file) {
  if (file.size < endBytes)
    fail("this is not a zip file");
  // A comment of up to 64 KiB may follow the record.
  const uint64_t last = file.size - endBytes;
  const uint64_t first = last > 0xffff ? last - 0xffff : 0;
  uint64_t at = last + 1;
  do {
    if (at == first)
      fail("this is not a zip file, or it is truncated");
    --at;
  } while (file.integer(at, 4) != endMagic ||
           file.integer(at + 20, 2) != file.size - at - endBytes);
  Directory directory = {file.integer(at + 10, 2), file.integer(at + 16, 4)};
  if (at < 20 || file.integer(at - 20, 4) != locator64Magic)
    return directory;
  const uint64_t end64 = file.integer(at - 20 + 8, 8);
  if (file.integer(end64, 4) != end64Magic)
    fail("the zip directory is damaged");
  // The record's fixed part is 56 bytes; this checks that they are there.
  const Bytes record = file.range(end64, 56);
  directory.entries = record.integer(32, 8);
  directory.offset = record.integer(48, 8);
  return directory;
}

/// Replaces the fields that overflowed 32 bits by those of the zip64 extra
/// field, which holds just those, in this order.
void applyZip64(const Bytes &extra, ZipEntry &entry) {
  for (uint64_t at = 0; at + 4 <= extra.size;) {
    const uint64_t id = extra.integer(at, 2), length = extra.integer(at + 2, 2);
    const Bytes field = extra.range(at + 4, length);
    at += 4 + length;
    if (id != 1)
      continue;
    uint64_t next = 0;
    for (uint64_t *value : {&entry.size, &entry.packed, &entry.offset})
      if (*value == all32) {
        *value = field.integer(next, 8);
        next += 8;
      }
  }
}

std::vector<ZipEntry> readDirectory(const Bytes &file) {
  const Directory directory = findDirectory(file);
  std::vector<ZipEntry> entries;
  uint64_t at = directory.offset;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    if (file.integer(at, 4) != centralMagic)
      fail("the zip directory is damaged");
    const Bytes record = file.range(at, centralBytes);
    ZipEntry entry;
    entry.flags = unsigned(record.integer(8, 2));
    entry.method = unsigned(record.integer(10, 2));
    entry.crc = uint32_t(record.integer(16, 4));
    entry.packed = record.integer(20, 4);
    entry.size = record.integer(24, 4);
    entry.offset = record.integer(42, 4);
    const uint64_t nameBytes = record.integer(28, 2),
                   extraBytes = record.integer(30, 2),
                   commentBytes = record.integer(32, 2);
    entry.name = file.text(at + centralBytes, nameBytes);
    applyZip64(file.range(at + centralBytes + nameBytes, extraBytes), entry);
    at += centralBytes + nameBytes + extraBytes + commentBytes;
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::string inflateAll(const Bytes &packed, uint64_t size) {
  // No deflate stream expands further; this bounds what a lying size can cost.
  if (size / 1032 > packed.size + 16)
    fail("the compressed data is damaged");
  std::string result(size, '\0');
  z_stream stream = {};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    fail("out of memory");
  uint64_t read = 0, written = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    const uint64_t in = std::min<uint64_t>(packed.size - read, 1u << 30);
    const uint64_t out = std::min<uint64_t>(size - written, 1u << 30);
    stream.next_in = const_cast<unsigned char *>(packed.data) + read;
    stream.avail_in = unsigned(in);
    stream.next_out = reinterpret_cast<unsigned char *>(&result[0]) + written;
    stream.avail_out = unsigned(out);
    status = inflate(&stream, Z_NO_FLUSH);
    read += in - stream.avail_in;
    written += out - stream.avail_out;
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END || written != size)
    fail("the compressed data is damaged");
  return result;
}

/// The entry's content; `buffer` holds it when it had to be inflated.
Bytes readEntry(const Bytes &file, const ZipEntry &entry, std::string &buffer) {
  if (entry.flags & 1)
    fail("the archive is encrypted");
  if (file.integer(entry.offset, 4) != localMagic)
    fail("the zip directory is damaged");
  const Bytes local = file.range(entry.offset, localBytes);
  // The local extra field may differ from the directory's.
  const uint64_t begin =
      entry.offset + localBytes + local.integer(26, 2) + local.integer(28, 2);
  const Bytes packed = file.range(begin, entry.packed);
  Bytes content = packed;
  if (entry.method == 8) {
    buffer = inflateAll(packed, entry.size);
    content = Bytes(buffer.data(), buffer.size());
  } else if (entry.method != 0) {
    fail("compression method " + std::to_string(entry.method) +
         " is not supported (numpy.savez and savez_compressed are)");
  }
  if (content.size != entry.size ||
      crc32_z(0, content.data, content.size) != entry.crc)
    fail("the data is damaged (wrong length or CRC)");
  return content;
}

std::string readFile(const std::string &path) {
  // Non-blocking, so that opening a pipe does not wait for a writer.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    fail(std::strerror(errno));
  struct stat status;
  std::string content;
  std::string problem;
  if (fstat(fd, &status) || !S_ISREG(status.st_mode)) {
    problem = "not a regular file";
  } else {
    content.resize(size_t(status.st_size));
    size_t done = 0;
    while (done < content.size()) {
      const ssize_t got = read(fd, &content[done], content.size() - done);
      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0)
        break;
      done += size_t(got);
    }
    if (done < content.size())
      problem = "it cannot be read";
  }
  close(fd);
  if (!problem.empty())
    fail(problem);
  return content;
}

std::string arrayName(const std::string &file) {
  const std::string suffix = ".npy";
  if (file.size() < suffix.size() ||
      file.compare(file.size() - suffix.size(), suffix.size(), suffix))
    fail("it is not an array (no .npy file)");
  const std::string name = file.substr(0, file.size() - suffix.size());
  if (name.find('\0') != std::string::npos)
    fail("its name contains a zero byte");
  return name;
}

void readArchive(const std::string &path, std::vector<NpyArray> &arrays) {
  const std::string content = readFile(path);
  const Bytes file(content.data(), content.size());
  uint64_t left = file.size;
  for (const ZipEntry &entry : readDirectory(file)) {
    // Entries that share bytes could expand to any size.
    if (entry.packed > left)
      fail("the zip directory is damaged (entries overlap)");
    left -= entry.packed;
    NpyArray array;
    try {
      array.name = arrayName(entry.name);
      std::string buffer;
      readNpy(readEntry(file, entry, buffer), array);
    } catch (const NpzError &error) {
      fail("'" + entry.name + "': " + error.message);
    }
    for (const NpyArray &other : arrays)
      if (other.name == array.name)
        fail("there are two arrays '" + array.name + "'");
    arrays.push_back(std::move(array));
  }
}

} // namespace

std::string hybrid::readNpz(const std::string &path,
                            std::vector<NpyArray> &arrays) {
  const std::string where = "cannot read '" + path + "': ";
  arrays.clear();
  try {
    readArchive(path, arrays);
    return {};
  } catch (const NpzError &error) {
    arrays.clear();
    return where + error.message;
  } catch (const std::bad_alloc &) {
    arrays.clear();
    return where + "out of memory";
  } catch (const std::exception &error) {
    arrays.clear();
    return where + error.what();
  }
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

namespace {

void append(std::string &text, uint64_t value, unsigned width) {
  for (unsigned i = 0; i < width; ++i)
    text += char(value >> (8 * i) & 0xff);
}

/// Magic, version 1.0 and header, padded so that data starts at a multiple of
/// 64, as numpy does.
std::string npyPrefix(const NpyView &array) {
  std::string descr;
  for (const auto &type : npyTypes)
    if (type.dtype == array.dtype)
      descr = std::string(type.size == 1 ? "|" : "<") + type.kind +
              std::to_string(type.size);
  if (descr.empty())
    fail("'" + array.name + "': npy has no dtype " +
         hybrid_dtype_name(array.dtype));
  std::string shape;
  for (int64_t dim : array.dims)
    shape += std::to_string(dim) + ", ";
  if (array.dims.size() > 1)
    shape.resize(shape.size() - 2);
  else if (array.dims.size() == 1)
    shape.resize(shape.size() - 1);
  std::string header = "{'descr': '" + descr +
                       "', 'fortran_order': False, 'shape': (" + shape + "), }";
  const size_t unpadded = 10 + header.size() + 1;
  header.append((64 - unpadded % 64) % 64, ' ');
  header += '\n';
  std::string prefix("\x93NUMPY\x01\x00", 8);
  append(prefix, header.size(), 2);
  return prefix + header;
}

uint64_t dataBytes(const NpyView &array) {
  uint64_t bytes = hybrid_dtype_size(array.dtype);
  for (int64_t dim : array.dims)
    bytes *= uint64_t(dim);
  return bytes;
}

/// The fields that local header and directory share, from "version needed" to
/// the length of the extra field. Sizes stand in a zip64 extra field.
std::string commonHeader(const std::string &name, uint32_t crc,
                         uint64_t extraBytes) {
  std::string text;
  append(text, 45, 2);    // version needed: zip64
  append(text, 0x800, 2); // UTF-8 name
  append(text, 0, 2);     // stored
  append(text, 0, 2);     // time
  append(text, 0x21, 2);  // date: 1980-01-01, so that outputs are reproducible
  append(text, crc, 4);
  append(text, all32, 4);
  append(text, all32, 4);
  append(text, name.size(), 2);
  append(text, extraBytes, 2);
  return text;
}

/// Writes one array; returns its record in the directory.
std::string writeEntry(OutputFile &out, const NpyView &array) {
  const std::string prefix = npyPrefix(array);
  const uint64_t bytes = dataBytes(array), size = prefix.size() + bytes;
  const std::string name = array.name + ".npy";
  if (name.size() > 0xffff)
    fail("a name is too long");
  auto crc = crc32_z(0, reinterpret_cast<const unsigned char *>(prefix.data()),
                     prefix.size());
  if (bytes)
    crc = crc32_z(crc, static_cast<const unsigned char *>(array.data), bytes);
  const uint64_t offset = out.position;

  std::string extra;
  append(extra, 1, 2);
  append(extra, 16, 2);
  append(extra, size, 8);
  append(extra, size, 8);
  std::string local;
  append(local, localMagic, 4);
  local += commonHeader(name, uint32_t(crc), extra.size()) + name + extra;
  out.write(local.data(), local.size());
  out.write(prefix.data(), prefix.size());
  out.write(array.data, bytes);

  extra.clear();
  append(extra, 1, 2);
  append(extra, 24, 2);
  append(extra, size, 8);
  append(extra, size, 8);
  append(extra, offset, 8);
  std::string central;
  append(central, centralMagic, 4);
  append(central, 45, 2); // version made by
  central += commonHeader(name, uint32_t(crc), extra.size());
  append(central, 0, 2);     // comment
  append(central, 0, 2);     // disk
  append(central, 0, 2);     // internal attributes
  append(central, 0, 4);     // external attributes
  append(central, all32, 4); // offset: in the extra field
  return central + name + extra;
}

void writeEnd(OutputFile &out, const std::string &directory,
              uint64_t entries) {
  const uint64_t offset = out.position;
  out.write(directory.data(), directory.size());
  const uint64_t end64 = out.position;
  std::string text;
  append(text, end64Magic, 4);
  append(text, 44, 8);
  append(text, 45, 2);
  append(text, 45, 2);
  append(text, 0, 8); // disks
  append(text, entries, 8);
  append(text, entries, 8);
  append(text, directory.size(), 8);
  append(text, offset, 8);
  append(text, locator64Magic, 4);
  append(text, 0, 4);
  append(text, end64, 8);
  append(text, 1, 4);
  append(text, endMagic, 4);
  append(text, 0, 4); // disks
  append(text, 0xffff, 2);
  append(text, 0xffff, 2);
  append(text, all32, 4);
  append(text, all32, 4);
  append(text, 0, 2);
  out.write(text.data(), text.size());
}

} // namespace

std::string hybrid::writeNpz(const std::string &path,
                             const std::vector<NpyView> &arrays) {
  try {
    OutputFile out(path);
    std::string directory;
    for (const NpyView &array : arrays)
      directory += writeEntry(out, array);
    writeEnd(out, directory, arrays.size());
    out.commit();
    return {};
  } catch (const WriteError &error) {
    return "cannot write '" + path + "': " + error.reason;
  } catch (const NpzError &error) {
    return "cannot write '" + path + "': " + error.message;
  } catch (const std::exception &error) {
    return "cannot write '" + path + "': " + error.what();
  }
}
