//===- HttpConnection.h - one client's socket -------------------*- C++ -*-===//
//
// What stands between a stranger's bytes and cpp-httplib: a request must be
// complete within a time and a size, whatever the client sends in between.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_LIB_SERVING_HTTPCONNECTION_H
#define HYBRID_LIB_SERVING_HTTPCONNECTION_H

#include <httplib.h>

#include <atomic>
#include <chrono>

namespace hybrid::serving {

struct ConnectionLimits {
  size_t headBytes = 16 << 10; ///< request line and headers
  size_t bodyBytes = 1 << 20;
  std::chrono::milliseconds idle{5000};     ///< between two requests
  std::chrono::milliseconds request{20000}; ///< for all of a request
  std::chrono::milliseconds write{10000};   ///< without progress
};

/// Owns the socket.
class HttpConnection final : public httplib::Stream {
public:
  using Clock = std::chrono::steady_clock;

  /// Reading ends when `stopping` becomes true. Idle connections are given up
  /// when `crowded` is.
  HttpConnection(int socket, const ConnectionLimits &limits,
                 const std::atomic<bool> &stopping,
                 const std::atomic<bool> &crowded);
  ~HttpConnection() override;
  HttpConnection(const HttpConnection &) = delete;
  HttpConnection &operator=(const HttpConnection &) = delete;

  enum class Head { Complete, Closed, TooLarge, TooSlow };

  /// Waits for the next request, and until its head is there, so that read()
  /// finds it. Drops Range headers: no answer has parts, and httplib matches
  /// them by a recursive regular expression.
  Head readHead();

  /// Whether the client has closed its end.
  bool clientGone() const;

  /// The connection ends after this answer; what the client still sends is
  /// dropped for a moment so that the answer isn't lost to a reset.
  void closeAfterAnswer() { closing = true; }
  bool isClosing() const { return closing; }

  bool is_readable() const override;
  bool is_writable() const override { return !clientGone(); }
  ssize_t read(char *data, size_t size) override;
  ssize_t write(const char *data, size_t size) override;
  void get_remote_ip_and_port(std::string &ip, int &port) const override;
  void get_local_ip_and_port(std::string &ip, int &port) const override;
  socket_t socket() const override { return fd; }

private:
  bool waitForBytes(Clock::time_point deadline, bool idle) const;
  bool receive(Clock::time_point deadline, bool idle);
  size_t buffered() const { return buffer.size() - begin; }

  const int fd;
  const ConnectionLimits &limits;
  const std::atomic<bool> &stopping, &crowded;
  std::string buffer; ///< received; the bytes from `begin` on are not read yet
  size_t begin = 0;
  size_t budget = 0; ///< bytes that this request may still bring
  Clock::time_point deadline;
  bool closing = false;
};

} // namespace hybrid::serving

#endif // HYBRID_LIB_SERVING_HTTPCONNECTION_H
