//===- ArtifactWriter.cpp - writing `.hyb` files --------------------------===//
//
// Appends weights, manifest and seal to a linked shared object and moves the
// section header table behind them. The old table stays where it was, dead.
//
//===----------------------------------------------------------------------===//

#include "ArtifactFormat.h"
#include "OutputFile.h"
#include "hybrid/Runtime/ABI.h"
#include "hybrid/Runtime/Artifact.h"

#define JSON_NO_IO
#include <nlohmann/json.hpp>

#include <cstring>
#include <elf.h>

using namespace hybrid;
using nlohmann::json;

namespace {

/// The section headers and names of the linked shared object.
struct Sections {
  Elf64_Ehdr header;
  std::vector<Elf64_Shdr> table;
  std::string names;

  Sections(const char *elf, size_t bytes) {
    if (bytes < sizeof(header))
      throw WriteError{"the linked code is not an ELF file"};
    std::memcpy(&header, elf, sizeof(header));
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) ||
        header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_DYN)
      throw WriteError{
          "the linked code is not a 64-bit little-endian ELF shared object"};
    if (header.e_shnum == 0) {
      start();
      return;
    }
    const uint64_t tableBytes = uint64_t(header.e_shnum) * sizeof(Elf64_Shdr);
    if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shoff > bytes ||
        tableBytes > bytes - header.e_shoff ||
        header.e_shstrndx >= header.e_shnum)
      throw WriteError{"the linked code has a broken section table"};
    table.resize(header.e_shnum);
    std::memcpy(table.data(), elf + header.e_shoff, tableBytes);
    const Elf64_Shdr &strings = table[header.e_shstrndx];
    if (strings.sh_offset > bytes ||
        strings.sh_size > bytes - strings.sh_offset)
      throw WriteError{"the linked code has broken section names"};
    names.assign(elf + strings.sh_offset, strings.sh_size);
  }

  void add(const char *name, uint64_t offset, uint64_t size,
           uint64_t alignment) {
    Elf64_Shdr section = {};
    section.sh_name = addName(name);
    section.sh_type = SHT_PROGBITS;
    section.sh_offset = offset;
    section.sh_size = size;
    section.sh_addralign = alignment;
    table.push_back(section);
  }

private:
  Elf64_Word addName(const char *name) {
    const size_t at = names.size();
    names.append(name, std::strlen(name) + 1);
    return Elf64_Word(at);
  }

  /// A table for a file that was stripped of its own.
  void start() {
    names.assign(1, '\0');
    table.resize(2);
    std::memset(table.data(), 0, 2 * sizeof(Elf64_Shdr));
    table[1].sh_name = addName(".shstrtab");
    table[1].sh_type = SHT_STRTAB;
    table[1].sh_addralign = 1;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shstrndx = 1;
  }
};

class Writer {
public:
  Writer(const std::string &path, const char *elf, size_t elfBytes)
      : elf(elf), elfBytes(elfBytes), sections(elf, elfBytes), out(path) {}

  void write(json manifest, uint64_t weightsBytes,
             std::vector<WeightChunk> chunks) {
    manifest["format"] = manifestFormat;
    manifest["version"] = manifestVersion;
    manifest["abi"] = HYBRID_ABI_VERSION;
    manifest["trust"] = "native code: whoever loads this file runs it";
    manifest["weights_bytes"] = weightsBytes;
    json &hashes = manifest["hashes"] = json::object();
    hashes["code"] = writeCode();
    const uint64_t codeBytes = out.position;
    hashes["weights"] = writeWeights(weightsBytes, std::move(chunks));
    writeManifest(manifest);
    writeSeal(codeBytes);
    writeSectionTable();
    out.sync();
    out.commit();
  }

private:
  std::string writeCode() {
    Hasher hasher;
    hashElfHeader(hasher, &sections.header);
    out.write(&sections.header, sizeof(Elf64_Ehdr));
    out.hasher = &hasher;
    out.write(elf + sizeof(Elf64_Ehdr), elfBytes - sizeof(Elf64_Ehdr));
    out.align(weightsAlignment);
    out.hasher = nullptr;
    return hasher.hex();
  }

  std::string writeWeights(uint64_t bytes, std::vector<WeightChunk> chunks) {
    std::sort(chunks.begin(), chunks.end(),
              [](const WeightChunk &a, const WeightChunk &b) {
                return a.offset < b.offset;
              });
    Hasher hasher;
    out.hasher = &hasher;
    const uint64_t start = out.position;
    for (const WeightChunk &chunk : chunks)
      writeChunk(chunk, start, bytes);
    out.zeros(start + bytes - out.position);
    out.hasher = nullptr;
    sections.add(weightsSection, start, bytes, weightsAlignment);
    return hasher.hex();
  }

  void writeChunk(const WeightChunk &chunk, uint64_t start, uint64_t bytes) {
    const std::string name = "the weight at offset " +
                             std::to_string(chunk.offset) + " (" +
                             std::to_string(chunk.size) + " bytes)";
    if (chunk.offset % HYBRID_BUFFER_ALIGNMENT)
      throw WriteError{name + " is not aligned to " +
                       std::to_string(HYBRID_BUFFER_ALIGNMENT) + " bytes"};
    if (chunk.offset > bytes || chunk.size > bytes - chunk.offset)
      throw WriteError{name + " lies outside the weights section"};
    if (chunk.offset < out.position - start)
      throw WriteError{name + " overlaps another one"};
    out.zeros(start + chunk.offset - out.position);
    const uint64_t end = out.position + chunk.size;
    // The producer may be compiled without exceptions, so none may pass
    // through it.
    std::string failure;
    const std::string error = chunk.write([&](const void *data, size_t size) {
      if (!failure.empty())
        return false;
      if (size > end - out.position) {
        failure = name + " has more bytes than announced";
        return false;
      }
      try {
        out.write(data, size);
      } catch (const WriteError &problem) {
        failure = problem.message;
      }
      return failure.empty();
    });
    if (!failure.empty() || !error.empty())
      throw WriteError{failure.empty() ? error : failure};
    if (out.position != end)
      throw WriteError{name + " has fewer bytes than announced"};
  }

  void writeManifest(json &manifest) {
    const std::string zeros(32, '0');
    manifest["hashes"]["manifest"] = zeros;
    std::string text = manifest.dump(1);
    const std::string hash = hashManifest(text, zeros);
    const size_t at = text.find('"' + zeros + '"');
    text.replace(at + 1, zeros.size(), hash);
    // What is written must be readable; this finds a bad manifest now.
    try {
      parseManifest(text);
    } catch (const RuntimeError &error) {
      throw WriteError{error.what()};
    }
    if (text.size() > maxManifestBytes)
      throw WriteError{"the manifest is too large"};
    if (statedManifestHash(text) != hash)
      throw WriteError{"the manifest contains a text of 32 zeros"};
    out.align(8);
    sections.add(manifestSection, out.position, text.size(), 1);
    out.write(text.data(), text.size());
  }

  void writeSeal(uint64_t codeBytes) {
    Seal seal = {};
    std::memcpy(seal.magic, sealMagic, sizeof(sealMagic));
    seal.abi = HYBRID_ABI_VERSION;
    std::memcpy(seal.codeBytes, &codeBytes, sizeof(codeBytes));
    out.align(8);
    sections.add(sealSection, out.position, sizeof(seal), 8);
    out.write(&seal, sizeof(seal));
  }

  void writeSectionTable() {
    if (sections.table.size() >= SHN_LORESERVE)
      throw WriteError{"the linked code has too many sections"};
    Elf64_Shdr &names = sections.table[sections.header.e_shstrndx];
    names.sh_offset = out.position;
    names.sh_size = sections.names.size();
    out.write(sections.names.data(), sections.names.size());
    out.align(8);
    sections.header.e_shoff = out.position;
    sections.header.e_shnum = Elf64_Half(sections.table.size());
    out.write(sections.table.data(),
              sections.table.size() * sizeof(Elf64_Shdr));
    out.rewriteStart(&sections.header, sizeof(sections.header));
  }

  const char *elf;
  size_t elfBytes;
  Sections sections;
  OutputFile out;
};

} // namespace

std::string hybrid::writeArtifact(const std::string &path, const void *elf,
                                  size_t elfBytes,
                                  const std::string &manifestText,
                                  uint64_t weightsBytes,
                                  const std::vector<WeightChunk> &chunks) {
  try {
    json manifest = json::parse(manifestText, nullptr, false);
    if (!manifest.is_object())
      return "the manifest is not a JSON object";
    Writer writer(path, static_cast<const char *>(elf), elfBytes);
    writer.write(std::move(manifest), weightsBytes, chunks);
    return {};
  } catch (const WriteError &error) {
    return error.message;
  } catch (const std::exception &error) {
    return std::string("cannot write '") + path + "': " + error.what();
  }
}
