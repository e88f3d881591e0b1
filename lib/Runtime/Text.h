//===- Text.h - text for messages -------------------------------*- C++ -*-===//

#ifndef HYBRID_LIB_RUNTIME_TEXT_H
#define HYBRID_LIB_RUNTIME_TEXT_H

#include <cstdint>
#include <string>
#include <vector>

namespace hybrid {

inline std::string join(const std::vector<std::string> &parts,
                        const char *separator) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i)
    text += (i ? separator : "") + parts[i];
  return text;
}

/// "[2, 16]".
inline std::string shapeText(const int64_t *dims, int64_t rank) {
  std::string text = "[";
  for (int64_t i = 0; i < rank; ++i)
    text += (i ? ", " : "") + std::to_string(dims[i]);
  return text + "]";
}

} // namespace hybrid

#endif // HYBRID_LIB_RUNTIME_TEXT_H
