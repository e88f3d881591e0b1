//===- Workers.h - threads that serve connections ---------------*- C++ -*-===//

#ifndef HYBRID_LIB_SERVING_WORKERS_H
#define HYBRID_LIB_SERVING_WORKERS_H

#include <httplib.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace hybrid::serving {

/// One thread per connection, up to a limit. Beyond it, accepting waits (and
/// with it the system's backlog), and `crowded` asks idle connections to go.
class Workers final : public httplib::TaskQueue {
public:
  Workers(size_t limit, std::atomic<bool> &crowded)
      : limit(limit), crowded(crowded) {}

  void enqueue(std::function<void()> task) override {
    std::unique_lock<std::mutex> lock(mutex);
    crowded = busy == limit;
    finished.wait(lock, [&] { return busy < limit; });
    crowded = false;
    ++busy;
    tasks.push_back(std::move(task));
    if (threads.size() < busy)
      threads.emplace_back([this] { work(); });
    arrived.notify_one();
  }

  void shutdown() override {
    {
      std::lock_guard<std::mutex> lock(mutex);
      ending = true;
    }
    arrived.notify_all();
    for (std::thread &thread : threads)
      thread.join();
  }

private:
  void work() {
    std::unique_lock<std::mutex> lock(mutex);
    while (true) {
      arrived.wait(lock, [&] { return !tasks.empty() || ending; });
      if (tasks.empty())
        return;
      const std::function<void()> task = std::move(tasks.front());
      tasks.pop_front();
      lock.unlock();
      task();
      lock.lock();
      --busy;
      finished.notify_one();
    }
  }

  const size_t limit;
  std::atomic<bool> &crowded;
  std::mutex mutex;
  std::condition_variable arrived, finished;
  std::deque<std::function<void()>> tasks;
  std::vector<std::thread> threads;
  size_t busy = 0; ///< tasks that wait or run
  bool ending = false;
};

} // namespace hybrid::serving

#endif // HYBRID_LIB_SERVING_WORKERS_H
