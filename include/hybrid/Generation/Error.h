//===- Error.h - what the generation library throws -------------*- C++ -*-===//

#ifndef HYBRID_GENERATION_ERROR_H
#define HYBRID_GENERATION_ERROR_H

#include <stdexcept>

namespace hybrid {

/// A sentence for people: a file, a model, a text or a parameter that cannot be
/// used, and what would work. The only exception that this library throws, but
/// for std::bad_alloc.
class GenerationError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// More tokens than the model was compiled for; nothing was changed by the call
/// of the runtime that failed.
class CapacityError : public GenerationError {
public:
  using GenerationError::GenerationError;
};

} // namespace hybrid

#endif // HYBRID_GENERATION_ERROR_H
