//===- ArtifactReader.cpp - opening `.hyb` files --------------------------===//
//
// Everything that is read here is checked against the size of the file first,
// and read with pread, so that neither a hostile nor a shrinking file can make
// the reader touch memory that is not there.
//
//===----------------------------------------------------------------------===//

#include "ArtifactFormat.h"
#include "hybrid/Runtime/ABI.h"
#include "hybrid/Runtime/Artifact.h"

#include <algorithm>
#include <cstring>
#include <elf.h>

using namespace hybrid;

namespace {

constexpr size_t chunkBytes = 1 << 20;
constexpr uint64_t maxNamesBytes = uint64_t(16) << 20;

[[noreturn]] void bad(const std::string &path, const std::string &message) {
  throw RuntimeError(HYBRID_BAD_FILE, "'" + path + "': " + message);
}

bool inFile(const ArtifactFile &file, uint64_t offset, uint64_t bytes) {
  return offset <= file.fileBytes && bytes <= file.fileBytes - offset;
}

void hashRange(const ArtifactFile &file, uint64_t begin, uint64_t end,
               Hasher &hasher) {
  std::unique_ptr<char[]> buffer(new char[chunkBytes]);
  while (begin < end) {
    const size_t bytes = size_t(std::min<uint64_t>(chunkBytes, end - begin));
    file.readAt(begin, buffer.get(), bytes);
    hasher.update(buffer.get(), bytes);
    begin += bytes;
  }
}

/// The section header table, with names.
class SectionTable {
public:
  SectionTable(const ArtifactFile &file, const Elf64_Ehdr &header)
      : file(file) {
    if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum == 0 ||
        !inFile(file, header.e_shoff,
                uint64_t(header.e_shnum) * sizeof(Elf64_Shdr)))
      bad(file.path,
          "the section table lies outside the file; the file is truncated, or "
          "a shared object that hybrid-compile has not written");
    sections.resize(header.e_shnum);
    file.readAt(header.e_shoff, sections.data(),
                sections.size() * sizeof(Elf64_Shdr));
    readNames(header.e_shstrndx);
  }

  /// The one section of this name; its bytes lie in the file.
  const Elf64_Shdr &find(const char *name) const {
    const Elf64_Shdr *found = nullptr;
    for (const Elf64_Shdr &section : sections) {
      if (!nameIs(section, name))
        continue;
      if (found)
        bad(file.path, "there are two sections " + std::string(name));
      found = &section;
    }
    if (!found)
      bad(file.path, "there is no section " + std::string(name) +
                         "; the file is damaged, or a shared object that "
                         "hybrid-compile has not written");
    if (found->sh_type == SHT_NOBITS ||
        !inFile(file, found->sh_offset, found->sh_size))
      bad(file.path, "section " + std::string(name) +
                         " lies outside the file; the file is truncated or "
                         "damaged");
    return *found;
  }

private:
  void readNames(uint16_t index) {
    if (index >= sections.size())
      bad(file.path, "the section names are missing");
    const Elf64_Shdr &section = sections[index];
    if (section.sh_type != SHT_STRTAB || section.sh_size > maxNamesBytes ||
        !inFile(file, section.sh_offset, section.sh_size))
      bad(file.path, "the section names lie outside the file");
    names.resize(section.sh_size);
    if (!names.empty())
      file.readAt(section.sh_offset, &names[0], names.size());
  }

  bool nameIs(const Elf64_Shdr &section, const char *name) const {
    const size_t length = std::strlen(name) + 1;
    return section.sh_name < names.size() &&
           length <= names.size() - section.sh_name &&
           !std::memcmp(names.data() + section.sh_name, name, length);
  }

  const ArtifactFile &file;
  std::vector<Elf64_Shdr> sections;
  std::string names;
};

Elf64_Ehdr readElfHeader(const ArtifactFile &file) {
  Elf64_Ehdr header;
  if (!inFile(file, 0, sizeof(header)))
    bad(file.path, "this is not a .hyb file (too short)");
  file.readAt(0, &header, sizeof(header));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG))
    bad(file.path, "this is not a .hyb file (no ELF magic)");
  if (header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_DYN)
    bad(file.path,
        "this is not a .hyb file (not a 64-bit little-endian shared object)");
  return header;
}

} // namespace

ArtifactFile::ArtifactFile(const std::string &path) : InputFile(path) {
  const Elf64_Ehdr header = readElfHeader(*this);
  machine = header.e_machine;
  const SectionTable table(*this, header);
  const Elf64_Shdr &weights = table.find(weightsSection);
  weightsOffset = weights.sh_offset;
  weightsBytes = weights.sh_size;
  const Elf64_Shdr &seal = table.find(sealSection);
  readSeal(seal.sh_offset, seal.sh_size);

  const Elf64_Shdr &text = table.find(manifestSection);
  if (text.sh_size > maxManifestBytes)
    bad(path, "the manifest is larger than any manifest");
  manifestText.resize(text.sh_size);
  if (!manifestText.empty())
    readAt(text.sh_offset, &manifestText[0], manifestText.size());
  const std::string hash = statedManifestHash(manifestText);
  if (hash.empty() || hashManifest(manifestText, hash) != hash)
    bad(path, "the manifest does not match its hash; the file is damaged");
  try {
    manifest = parseManifest(manifestText);
  } catch (const RuntimeError &error) {
    throw RuntimeError(error.status, "'" + path + "': " + error.what());
  }
  if (manifest.weightsBytes != weightsBytes)
    bad(path, "the weights section has " + std::to_string(weightsBytes) +
                  " bytes, the manifest says " +
                  std::to_string(manifest.weightsBytes));
}

void ArtifactFile::readSeal(uint64_t offset, uint64_t bytes) {
  Seal seal;
  if (bytes != sizeof(seal))
    bad(path, "the seal is damaged");
  readAt(offset, &seal, sizeof(seal));
  if (std::memcmp(seal.magic, sealMagic, sizeof(sealMagic) - 1))
    bad(path, "the seal is damaged");
  const unsigned version = static_cast<unsigned char>(seal.magic[7]);
  if (version != unsigned(sealMagic[7]))
    throw RuntimeError(HYBRID_INCOMPATIBLE,
                       "'" + path + "': the file has container version " +
                           std::to_string(version) +
                           ", this runtime reads version " +
                           std::to_string(int(sealMagic[7])));
  if (seal.abi != HYBRID_ABI_VERSION)
    throw RuntimeError(
        HYBRID_INCOMPATIBLE,
        "'" + path + "': the file has ABI version " + std::to_string(seal.abi) +
            ", this runtime has version " + std::to_string(HYBRID_ABI_VERSION) +
            "; compile the model again with a compiler of this runtime's "
            "version");
  uint64_t codeBytes;
  std::memcpy(&codeBytes, seal.codeBytes, sizeof(codeBytes));
  static const uint8_t zeros[sizeof(seal.reserved)] = {};
  if (codeBytes != weightsOffset || weightsOffset % weightsAlignment ||
      std::memcmp(seal.reserved, zeros, sizeof(zeros)))
    bad(path, "the seal does not match the file; the file is damaged");
}

void ArtifactFile::checkCode() const {
  Hasher hasher;
  char header[sizeof(Elf64_Ehdr)];
  readAt(0, header, sizeof(header));
  hashElfHeader(hasher, header);
  hashRange(*this, sizeof(header), weightsOffset, hasher);
  if (hasher.hex() != manifest.codeHash)
    bad(path, "the code does not match its hash; the file is damaged");
}

void ArtifactFile::checkWeights() const {
  Hasher hasher;
  hashRange(*this, weightsOffset, weightsOffset + weightsBytes, hasher);
  if (hasher.hex() != manifest.weightsHash)
    bad(path, "the weights do not match their hash; the file is damaged");
}
