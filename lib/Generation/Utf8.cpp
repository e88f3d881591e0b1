//===- Utf8.cpp - characters from bytes that come in pieces ---------------===//

#include "hybrid/Generation/Tokenizer.h"

using namespace hybrid;

static const char replacement[] = "\xef\xbf\xbd"; // U+FFFD

/// Takes a byte that does not continue a character. The ranges of the second
/// byte exclude overlong forms, surrogates and what is beyond U+10FFFF (Unicode
/// Standard, table 3-7).
void Utf8Stream::begin(unsigned char byte, std::string &out) {
  least = 0x80;
  most = 0xbf;
  if (byte < 0x80) {
    out += char(byte);
    return;
  }
  if (byte < 0xc2 || byte > 0xf4) {
    out += replacement;
    return;
  }
  missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
  if (byte == 0xe0)
    least = 0xa0;
  else if (byte == 0xed)
    most = 0x9f;
  else if (byte == 0xf0)
    least = 0x90;
  else if (byte == 0xf4)
    most = 0x8f;
  pending = char(byte);
}

std::string Utf8Stream::feed(const std::string &bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (missing && byte >= least && byte <= most) {
      pending += c;
      least = 0x80;
      most = 0xbf;
      if (--missing == 0)
        out += pending;
      continue;
    }
    out += finish();
    begin(byte, out);
  }
  return out;
}

std::string Utf8Stream::finish() {
  if (!missing)
    return "";
  missing = 0;
  return replacement;
}
