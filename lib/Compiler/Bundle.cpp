//===- Bundle.cpp - from code and weight references to a file -------------===//

#include "Bundle.h"

#include "QuantizedPanels.h"
#include "hybrid/Import/WeightStore.h"
#include "hybrid/Runtime/Artifact.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cstring>

namespace hybrid {

uint64_t WeightRef::getPanelBytes() const {
  if (quantization)
    return llvm::divideCeil(panels->rows, quantization->block) *
           quantization->getColumnBytes() * panels->width;
  return panels->rows * panels->width * panels->bytes;
}

uint64_t WeightRef::getLength() const {
  if (panels)
    return llvm::divideCeil(panels->columns, panels->width) * getPanelBytes();
  uint64_t length = 0;
  for (const Part &part : parts)
    length += part.length;
  return length;
}

namespace {
/// Reads and writes one weight.
class WeightWriter {
public:
  WeightWriter(WeightStore &store, const WeightRef &weight)
      : store(store), weight(weight) {}

  /// Returns an empty string or what went wrong.
  std::string write(const ByteSink &sink);

private:
  /// Copies `size` bytes at `offset` of the parts put together.
  void copy(uint64_t offset, uint64_t size, char *to) const;
  void fillPanel(uint64_t first, std::vector<char> &panel) const;
  std::string writeQuantized(const ByteSink &sink);

  WeightStore &store;
  const WeightRef &weight;
  std::vector<llvm::ArrayRef<char>> parts;
  /// Of a row of all parts.
  uint64_t rowBytes = 0;
};
} // namespace

void WeightWriter::copy(uint64_t offset, uint64_t size, char *to) const {
  while (size > 0) {
    uint64_t row = offset / rowBytes, at = offset % rowBytes;
    for (llvm::ArrayRef<char> part : parts) {
      uint64_t own = part.size() / weight.rows;
      if (at >= own) {
        at -= own;
        continue;
      }
      uint64_t count = std::min(size, own - at);
      std::memcpy(to, part.data() + row * own + at, count);
      to += count, offset += count, size -= count;
      break;
    }
  }
}

/// The panel of the columns from `first` on.
void WeightWriter::fillPanel(uint64_t first, std::vector<char> &panel) const {
  const WeightRef::Panels &p = *weight.panels;
  uint64_t count = std::min(p.width, p.columns - first);
  std::fill(panel.begin(), panel.end(), 0);
  if (!p.isTransposed) {
    for (uint64_t row = 0; row < p.rows; ++row)
      copy((row * p.columns + first) * p.bytes, count * p.bytes,
           &panel[row * p.width * p.bytes]);
    return;
  }
  std::vector<char> column(p.rows * p.bytes);
  for (uint64_t i = 0; i < count; ++i) {
    copy((first + i) * p.rows * p.bytes, column.size(), column.data());
    for (uint64_t row = 0; row < p.rows; ++row)
      std::memcpy(&panel[(row * p.width + i) * p.bytes], &column[row * p.bytes],
                  p.bytes);
  }
}

std::string WeightWriter::writeQuantized(const ByteSink &sink) {
  const std::optional<WeightRef::Integers> &integers =
      weight.quantization->integers;
  llvm::ArrayRef<char> scales, zeroPoints;
  auto read = [&](const WeightRef::Part &part, llvm::ArrayRef<char> &bytes) {
    bytes = part.data;
    if (!part.data.empty())
      return std::string();
    auto found = store.get(part.file, part.offset, part.length);
    if (!found)
      return toString(found.takeError());
    bytes = *found;
    return std::string();
  };
  std::string problem;
  if (integers)
    problem = read(integers->scales, scales);
  if (problem.empty() && integers && integers->zeroPoints)
    problem = read(*integers->zeroPoints, zeroPoints);
  if (!problem.empty())
    return problem;
  QuantizedPanels panels(
      weight,
      [this](uint64_t offset, uint64_t size, char *to) {
        copy(offset, size, to);
      },
      scales, zeroPoints);
  std::vector<char> panel(weight.getPanelBytes());
  const WeightRef::Panels &p = *weight.panels;
  for (uint64_t first = 0; first < p.columns; first += p.width) {
    problem = panels.fill(first, panel);
    if (!problem.empty())
      return problem;
    if (!sink(panel.data(), panel.size()))
      return "a weight cannot be written";
  }
  return {};
}

std::string WeightWriter::write(const ByteSink &sink) {
  for (const WeightRef::Part &part : weight.parts) {
    if (!part.data.empty()) {
      parts.push_back(part.data);
      rowBytes += part.data.size() / weight.rows;
      continue;
    }
    auto bytes = store.get(part.file, part.offset, part.length);
    if (!bytes)
      return toString(bytes.takeError());
    parts.push_back(*bytes);
    rowBytes += bytes->size() / weight.rows;
  }
  if (weight.quantization)
    return writeQuantized(sink);
  if (weight.panels) {
    const WeightRef::Panels &p = *weight.panels;
    std::vector<char> panel(weight.getPanelBytes());
    for (uint64_t first = 0; first < p.columns; first += p.width) {
      fillPanel(first, panel);
      if (!sink(panel.data(), panel.size()))
        return "a weight cannot be written";
    }
    return {};
  }
  for (uint64_t row = 0; row < weight.rows; ++row)
    for (llvm::ArrayRef<char> part : parts) {
      size_t size = part.size() / weight.rows;
      if (!sink(part.data() + row * size, size))
        return "a weight cannot be written";
    }
  return {};
}

std::string
writeBundleFile(const std::string &path, llvm::ArrayRef<char> shared,
                const std::string &manifest, const std::string &model,
                const std::vector<WeightRef> &weights, uint64_t weightBytes) {
  WeightStore store(model);
  std::vector<WeightChunk> chunks;
  for (const WeightRef &weight : weights)
    chunks.push_back({weight.at, weight.getLength(), [&](const ByteSink &sink) {
                        std::string error =
                            WeightWriter(store, weight).write(sink);
                        // No more than one weight is in memory at a time.
                        store.release();
                        return error;
                      }});
  return writeArtifact(path, shared.data(), shared.size(), manifest,
                       weightBytes, chunks);
}

} // namespace hybrid
