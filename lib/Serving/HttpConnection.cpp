//===- HttpConnection.cpp - one client's socket ---------------------------===//

#include "HttpConnection.h"

#include <netinet/in.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace hybrid::serving;
using std::chrono::milliseconds;

/// How often waiting looks at the flags.
static constexpr milliseconds tick{100};

static int pollOnce(int fd, short events, milliseconds timeout) {
  struct pollfd entry = {fd, events, 0};
  const int count = ::poll(&entry, 1, int(timeout.count()));
  return count > 0 ? entry.revents : count;
}

HttpConnection::HttpConnection(int socket, const ConnectionLimits &limits,
                               const std::atomic<bool> &stopping,
                               const std::atomic<bool> &crowded)
    : fd(socket), limits(limits), stopping(stopping), crowded(crowded) {}

HttpConnection::~HttpConnection() {
  ::shutdown(fd, SHUT_WR);
  if (closing) {
    const Clock::time_point end = Clock::now() + milliseconds(500);
    char waste[4096];
    while (waitForBytes(end, /*idle=*/false) &&
           ::recv(fd, waste, sizeof(waste), 0) > 0)
      continue;
  }
  ::close(fd);
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

bool HttpConnection::waitForBytes(Clock::time_point end, bool idle) const {
  while (!stopping && !(idle && crowded)) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(end - Clock::now());
    if (left.count() <= 0)
      return false;
    const int events = pollOnce(fd, POLLIN, std::min(left, tick));
    if (events > 0)
      return true;
    if (events < 0 && errno != EINTR)
      return false;
  }
  return false;
}

/// Appends what the client has sent to the buffer; false when nothing comes.
bool HttpConnection::receive(Clock::time_point end, bool idle) {
  if (!waitForBytes(end, idle))
    return false;
  char chunk[16 << 10];
  const size_t wanted = std::min(sizeof(chunk), budget);
  const ssize_t count = wanted ? ::recv(fd, chunk, wanted, 0) : 0;
  if (count <= 0)
    return false;
  budget -= size_t(count);
  buffer.append(chunk, size_t(count));
  return true;
}

/// The length of the request's head with its empty line; 0 if that is not there
/// yet. For httplib a line ends with LF, and CR LF alone ends the head.
static size_t headLength(const std::string &text, size_t from) {
  const size_t end = text.find("\n\r\n", from);
  return end == std::string::npos ? 0 : end + 3;
}

/// Removes the header lines of this name from the first `length` bytes.
static void dropHeader(std::string &text, size_t length,
                       const std::string &name) {
  size_t line = text.find('\n') + 1;
  while (line < length) {
    const size_t next = text.find('\n', line) + 1;
    const size_t word = text.find_first_not_of(" \t", line);
    if (!::strncasecmp(&text[word], name.c_str(), name.size())) {
      text.erase(line, next - line);
      length -= next - line;
    } else {
      line = next;
    }
  }
}

HttpConnection::Head HttpConnection::readHead() {
  buffer.erase(0, begin);
  begin = 0;
  budget = limits.headBytes + limits.bodyBytes;
  budget -= std::min(budget, buffer.size());
  if (buffer.empty() && !receive(Clock::now() + limits.idle, /*idle=*/true))
    return Head::Closed;
  deadline = Clock::now() + limits.request;
  size_t length, searched = 0;
  while (!(length = headLength(buffer, searched))) {
    if (buffer.size() > limits.headBytes)
      return Head::TooLarge;
    searched = buffer.size() < 2 ? 0 : buffer.size() - 2;
    if (!receive(deadline, /*idle=*/false))
      return Clock::now() < deadline ? Head::Closed : Head::TooSlow;
  }
  if (length > limits.headBytes)
    return Head::TooLarge;
  dropHeader(buffer, length, "range:");
  return Head::Complete;
}

ssize_t HttpConnection::read(char *data, size_t size) {
  if (!buffered()) {
    buffer.clear();
    begin = 0;
    if (!receive(deadline, /*idle=*/false))
      return -1;
  }
  const size_t count = std::min(size, buffered());
  std::memcpy(data, buffer.data() + begin, count);
  begin += count;
  return ssize_t(count);
}

bool HttpConnection::is_readable() const {
  return buffered() || pollOnce(fd, POLLIN, milliseconds(0)) > 0;
}

bool HttpConnection::clientGone() const {
  return pollOnce(fd, POLLRDHUP, milliseconds(0)) > 0;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

ssize_t HttpConnection::write(const char *data, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t count =
        ::send(fd, data + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) {
      done += size_t(count);
      continue;
    }
    if (errno != EAGAIN && errno != EINTR)
      return -1;
    if (errno == EAGAIN && pollOnce(fd, POLLOUT, limits.write) <= 0)
      return -1;
  }
  return ssize_t(size);
}

//===----------------------------------------------------------------------===//
// Addresses
//===----------------------------------------------------------------------===//

using NameFunction = int (*)(int, struct sockaddr *, socklen_t *);

static void describe(int fd, NameFunction name, std::string &ip, int &port) {
  struct sockaddr_storage address;
  socklen_t length = sizeof(address);
  char host[NI_MAXHOST], service[NI_MAXSERV];
  if (name(fd, reinterpret_cast<struct sockaddr *>(&address), &length) ||
      ::getnameinfo(reinterpret_cast<struct sockaddr *>(&address), length, host,
                    sizeof(host), service, sizeof(service),
                    NI_NUMERICHOST | NI_NUMERICSERV))
    return;
  ip = host;
  port = std::atoi(service);
}

void HttpConnection::get_remote_ip_and_port(std::string &ip, int &port) const {
  describe(fd, ::getpeername, ip, port);
}

void HttpConnection::get_local_ip_and_port(std::string &ip, int &port) const {
  describe(fd, ::getsockname, ip, port);
}
