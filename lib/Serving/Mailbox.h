//===- Mailbox.h - from the engine to one client ----------------*- C++ -*-===//

#ifndef HYBRID_LIB_SERVING_MAILBOX_H
#define HYBRID_LIB_SERVING_MAILBOX_H

#include "hybrid/Generation/Completion.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>

namespace hybrid::serving {

/// Something new about one of a client's completions.
struct Event {
  size_t choice = 0;
  std::string text;         ///< whole UTF-8 characters, possibly none
  std::vector<int64_t> ids; ///< generated since the last event
  /// Not None: the completion's last event.
  StopReason reason = StopReason::None;
  std::string error; ///< why it failed, in the last event; else empty
};

/// What the engine has to say to one client. Any thread may use it.
class Mailbox {
public:
  void post(Event event) {
    {
      std::lock_guard<std::mutex> lock(mutex);
      events.push_back(std::move(event));
    }
    arrived.notify_one();
  }

  /// Takes the next event; false if none comes in time.
  bool next(Event &event, std::chrono::milliseconds patience) {
    std::unique_lock<std::mutex> lock(mutex);
    if (!arrived.wait_for(lock, patience, [&] { return !events.empty(); }))
      return false;
    event = std::move(events.front());
    events.pop_front();
    return true;
  }

  /// The client has gone: its completions end with the engine's next step.
  void cancel() { gone = true; }
  bool cancelled() const { return gone; }

private:
  std::mutex mutex;
  std::condition_variable arrived;
  std::deque<Event> events;
  std::atomic<bool> gone{false};
};

} // namespace hybrid::serving

#endif // HYBRID_LIB_SERVING_MAILBOX_H
