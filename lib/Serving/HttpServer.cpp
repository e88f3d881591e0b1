//===- HttpServer.cpp - OpenAI-style completions over HTTP ----------------===//

#include "HttpServer.h"

#include "Workers.h"
#include "hybrid/Generation/Error.h"

#include <nlohmann/json.hpp>

#include <sys/socket.h>

using namespace hybrid;
using namespace hybrid::serving;
using httplib::Request;
using httplib::Response;
using Json = nlohmann::ordered_json;
using std::chrono::milliseconds;

/// How long a handler waits before it looks whether its client is still there.
static constexpr milliseconds patience{100};

/// The connection that this thread serves.
static thread_local HttpConnection *connection = nullptr;

static const char *reasonPhrase(int status) {
  return status == 431 ? "Request Header Fields Too Large" : "Request Timeout";
}

static void answer(Response &response, const ApiError &error) {
  response.status = error.status;
  response.set_content(error.json(), "application/json");
  // Part of the request may be unread.
  connection->closeAfterAnswer();
}

static std::string dump(const Json &json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

//===----------------------------------------------------------------------===//
// One request's answer
//===----------------------------------------------------------------------===//

namespace {

/// Collects what the engine says about a request and words it as OpenAI does.
class Answer {
public:
  Answer(const ServedModel &served, CompletionRequest &&request)
      : mailbox(std::make_shared<Mailbox>()), served(served),
        request(std::move(request)), choices(this->request.choices.size()),
        open(choices.size()) {
    static std::atomic<uint64_t> count{0};
    created = std::time(nullptr);
    id = "cmpl-" + std::to_string(created) + "-" + std::to_string(++count);
    for (size_t i = 0; i < this->request.echoes.size(); ++i)
      mailbox->post(
          {i, std::move(this->request.echoes[i]), {}, StopReason::None, ""});
  }
  ~Answer() { mailbox->cancel(); }

  std::vector<EngineRequest> takeRequests() {
    return std::move(request.choices);
  }

  bool isStream() const { return request.stream; }
  bool isDone() const { return !open; }

  /// The next event; false if none comes in time. Throws ApiError if a
  /// completion has failed.
  bool next(Event &event) {
    if (!mailbox->next(event, patience))
      return false;
    tokens += int64_t(event.ids.size());
    if (event.reason == StopReason::None)
      return true;
    --open;
    if (!event.error.empty())
      throw ApiError(500, event.error);
    if (event.reason == StopReason::Cancelled)
      throw ApiError(503, "the server is shutting down");
    return true;
  }

  /// Adds an event to the answer in one piece.
  void add(const Event &event) {
    Event &choice = choices[event.choice];
    choice.text += event.text;
    choice.ids.insert(choice.ids.end(), event.ids.begin(), event.ids.end());
    choice.reason = event.reason;
  }

  std::string whole() const {
    Json list = Json::array();
    for (size_t i = 0; i < choices.size(); ++i)
      list.push_back(choiceJson(i, choices[i]));
    Json json = header();
    json["choices"] = list;
    json["usage"] = usage();
    return dump(json);
  }

  std::string chunk(const Event &event) const {
    Json json = header();
    json["choices"] = Json::array({choiceJson(event.choice, event)});
    if (request.includeUsage)
      json["usage"] = Json();
    return "data: " + dump(json) + "\n\n";
  }

  /// What follows the last chunk.
  std::string end() const {
    std::string text;
    if (request.includeUsage) {
      Json json = header();
      json["choices"] = Json::array();
      json["usage"] = usage();
      text = "data: " + dump(json) + "\n\n";
    }
    return text + "data: [DONE]\n\n";
  }

  const std::shared_ptr<Mailbox> mailbox;

private:
  Json header() const {
    return {{"id", id},
            {"object", "text_completion"},
            {"created", created},
            {"model", served.name}};
  }

  Json choiceJson(size_t index, const Event &choice) const {
    Json finish;
    if (choice.reason == StopReason::Eos ||
        choice.reason == StopReason::StopText)
      finish = "stop";
    else if (choice.reason != StopReason::None)
      finish = "length";
    Json json = {{"index", index},
                 {"text", choice.text},
                 {"logprobs", nullptr},
                 {"finish_reason", finish}};
    if (request.returnIds)
      json["token_ids"] = choice.ids;
    return json;
  }

  Json usage() const {
    return {{"prompt_tokens", request.promptTokens},
            {"completion_tokens", tokens},
            {"total_tokens", request.promptTokens + tokens}};
  }

  const ServedModel &served;
  CompletionRequest request;
  std::vector<Event> choices; ///< what has come of each, in one piece
  size_t open;                ///< choices that go on
  int64_t tokens = 0;         ///< generated
  int64_t created;
  std::string id;
};

} // namespace

//===----------------------------------------------------------------------===//
// Routes
//===----------------------------------------------------------------------===//

class HttpServer::Impl final : public httplib::Server {
public:
  Impl(const ServedModel &served, Engine &engine,
       const ConnectionLimits &limits, size_t connections)
      : served(served), engine(engine), limits(limits),
        created(std::time(nullptr)) {
    new_task_queue = [this, connections] {
      return new Workers(connections, crowded);
    };
    set_tcp_nodelay(true);
    // Nothing counts, but the header of answers names it.
    set_keep_alive_max_count(1000000);
    set_keep_alive_timeout(limits.idle.count() / 1000);
    set_payload_max_length(limits.bodyBytes);
    set_pre_routing_handler([this](const Request &request, Response &response) {
      try {
        return route(request, response) ? HandlerResponse::Handled
                                        : HandlerResponse::Unhandled;
      } catch (const ApiError &error) {
        answer(response, error);
        return HandlerResponse::Handled;
      }
    });
    Post("/v1/completions", [this](const Request &request, Response &response,
                                   const httplib::ContentReader &reader) {
      try {
        complete(request, response, reader);
      } catch (const ApiError &error) {
        answer(response, error);
      }
    });
    set_error_handler([](const Request &, Response &response) {
      if (response.body.empty())
        answer(response,
               ApiError(response.status, "the request cannot be understood"));
    });
    set_exception_handler(
        [](const Request &, Response &response, std::exception_ptr) {
          answer(response, ApiError(500, "the server is out of memory"));
        });
  }

  int start(const std::string &host, int port) {
    const int bound =
        port ? (bind_to_port(host, port) ? port : -1) : bind_to_any_port(host);
    if (bound < 0)
      throw std::runtime_error("cannot listen on " + host + ", port " +
                               std::to_string(port) + ": " +
                               std::strerror(errno));
    // httplib's backlog of 5 is less than the clients that come at once.
    ::listen(svr_sock_, SOMAXCONN);
    thread = std::thread([this] { listen_after_bind(); });
    return bound;
  }

  void end(milliseconds patience) {
    engine.close();
    const auto deadline = HttpConnection::Clock::now() + patience;
    const auto isBusy = [&] {
      const EngineMetrics now = engine.metrics();
      return now.busy || now.waiting;
    };
    while (isBusy() && HttpConnection::Clock::now() < deadline)
      std::this_thread::sleep_for(milliseconds(20));
    engine.cancelAll();
    // Handlers write what the engine has said last.
    while (answering &&
           HttpConnection::Clock::now() < deadline + std::chrono::seconds(1))
      std::this_thread::sleep_for(milliseconds(20));
    stopping = true;
    stop();
    thread.join();
  }

private:
  //===--- Connections ----------------------------------------------------===//

  bool process_and_close_socket(socket_t socket) override {
    HttpConnection client(socket, limits, stopping, crowded);
    connection = &client;
    while (!client.isClosing() && !stopping) {
      const HttpConnection::Head head = client.readHead();
      if (head == HttpConnection::Head::Closed)
        break;
      if (head != HttpConnection::Head::Complete) {
        refuseHead(client, head);
        break;
      }
      bool closed = false;
      ++answering;
      const bool written = process_request(client, false, closed, nullptr);
      --answering;
      if (!written || closed)
        break;
    }
    connection = nullptr;
    return true;
  }

  void refuseHead(HttpConnection &client, HttpConnection::Head head) {
    const ApiError error =
        head == HttpConnection::Head::TooLarge
            ? ApiError(431, "the request's headers are larger than " +
                                std::to_string(limits.headBytes) + " bytes")
            : ApiError(408, "the request's headers took too long");
    const std::string body = error.json();
    const std::string text =
        "HTTP/1.1 " + std::to_string(error.status) + " " +
        reasonPhrase(error.status) +
        "\r\nContent-Type: application/json\r\nConnection: close\r\n"
        "Content-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    client.write(text.data(), text.size());
    client.closeAfterAnswer();
  }

  //===--- Routes ---------------------------------------------------------===//

  /// Answers what needs no body. False: a completion, still to be read.
  bool route(const Request &request, Response &response) {
    const std::string &path = request.path;
    const bool isPost = path == "/v1/completions";
    std::string body, type = "application/json";
    if (path == "/health")
      body = R"({"status":"ok"})";
    else if (path == "/metrics")
      body = metrics(), type = "text/plain; version=0.0.4";
    else if (path == "/v1/models")
      body = dump({{"object", "list"}, {"data", Json::array({modelJson()})}});
    else if (path == "/v1/models/" + served.name)
      body = dump(modelJson());
    else if (!isPost)
      throw ApiError(404, "there is nothing at " + path.substr(0, 64) +
                              "; completions are at POST /v1/completions");
    const bool isGet = request.method == "GET" || request.method == "HEAD";
    if (isPost ? request.method != "POST" : !isGet) {
      response.set_header("Allow", isPost ? "POST" : "GET, HEAD");
      throw ApiError(405, "use " + std::string(isPost ? "POST" : "GET") +
                              " for " + path);
    }
    if (isPost) {
      checkHeaders(request);
      return false;
    }
    response.status = 200;
    response.set_content(body, type);
    return true;
  }

  void checkHeaders(const Request &request) const {
    const std::string type = request.get_header_value("Content-Type");
    // Forms, too, so that no web page can make a browser ask.
    if (type.rfind("application/json", 0) != 0)
      throw ApiError(415, "the header 'Content-Type: application/json' is "
                          "needed");
    if (request.has_header("Content-Encoding"))
      throw ApiError(415, "compressed bodies are not supported");
    const bool isChunked = request.has_header("Transfer-Encoding");
    if (!isChunked && !request.has_header("Content-Length"))
      throw ApiError(411, "the header 'Content-Length' is needed");
    if (!isChunked &&
        request.get_header_value<uint64_t>("Content-Length") > limits.bodyBytes)
      refuseBody();
  }

  [[noreturn]] void refuseBody() const {
    throw ApiError(413, "the body is larger than " +
                            std::to_string(limits.bodyBytes) + " bytes");
  }

  Json modelJson() const {
    return {{"id", served.name},
            {"object", "model"},
            {"created", created},
            {"owned_by", "hybrid"},
            {"max_model_len", served.model->contextCapacity()}};
  }

  std::string metrics() const {
    const EngineMetrics now = engine.metrics();
    std::string text;
    const auto add = [&](const char *name, const char *type, const char *help,
                         uint64_t value) {
      const std::string full = std::string("hybrid_") + name;
      text += "# HELP " + full + " " + help + "\n# TYPE " + full + " " + type +
              "\n" + full + " " + std::to_string(value) + "\n";
    };
    add("requests_accepted_total", "counter", "Prompts taken", now.accepted);
    add("requests_refused_total", "counter", "Prompts refused for want of room",
        now.refused);
    add("requests_completed_total", "counter", "Prompts completed",
        now.completed);
    add("requests_cancelled_total", "counter", "Prompts whose client has left",
        now.cancelled);
    add("requests_failed_total", "counter", "Prompts that failed", now.failed);
    add("prompt_tokens_total", "counter", "Tokens of prompts",
        now.promptTokens);
    add("prefix_hits_total", "counter", "Prompts begun from a kept prefix",
        now.prefixHits);
    add("prefix_tokens_total", "counter", "Tokens taken from kept prefixes",
        now.reusedTokens);
    add("generated_tokens_total", "counter", "Tokens generated",
        now.generatedTokens);
    add("decode_steps_total", "counter", "Calls that decoded a token each",
        now.decodeSteps);
    add("decode_rows_total", "counter", "Sequences in these calls, added up",
        now.decodeRows);
    add("slots", "gauge", "Sequences at once", uint64_t(now.slots));
    add("slots_busy", "gauge", "Slots in use", uint64_t(now.busy));
    add("queue", "gauge", "Prompts that wait for a slot",
        uint64_t(now.waiting));
    return text;
  }

  //===--- Completions ----------------------------------------------------===//

  std::string readBody(const httplib::ContentReader &reader) const {
    std::string body;
    const bool whole = reader([&](const char *data, size_t size) {
      body.append(data, std::min(size, limits.bodyBytes + 1 - body.size()));
      return body.size() <= limits.bodyBytes;
    });
    if (body.size() > limits.bodyBytes)
      refuseBody();
    if (!whole)
      throw ApiError(400, "the body is incomplete");
    return body;
  }

  void complete(const Request &request, Response &response,
                const httplib::ContentReader &reader) {
    const auto answer = std::make_shared<Answer>(
        served, CompletionRequest::parse(readBody(reader), served));
    switch (submit(*answer)) {
    case Engine::Admission::Accepted:
      break;
    case Engine::Admission::QueueFull:
      response.set_header("Retry-After", "1");
      throw ApiError(429, "the queue is full: try again later", "",
                     "queue_full");
    case Engine::Admission::Closed:
      throw ApiError(503, "the server is shutting down");
    }
    response.status = 200;
    if (answer->isStream())
      return stream(answer, response);
    while (!answer->isDone()) {
      Event event;
      if (connection->clientGone())
        return connection->closeAfterAnswer();
      if (answer->next(event))
        answer->add(event);
    }
    response.set_content(answer->whole(), "application/json");
  }

  Engine::Admission submit(Answer &answer) {
    try {
      return engine.submit(answer.takeRequests(), answer.mailbox);
    } catch (const GenerationError &error) {
      throw ApiError(400, error.what());
    }
  }

  static void stream(const std::shared_ptr<Answer> &answer,
                     Response &response) {
    response.set_header("Cache-Control", "no-cache");
    response.set_chunked_content_provider(
        "text/event-stream", [answer](size_t, httplib::DataSink &sink) {
          return streamSome(*answer, sink);
        });
  }

  /// Writes what comes next; false when the client has left.
  static bool streamSome(Answer &answer, httplib::DataSink &sink) {
    std::string text;
    try {
      Event event;
      if (!sink.is_writable())
        return false;
      if (!answer.next(event))
        return true;
      text = answer.chunk(event);
      if (answer.isDone())
        text += answer.end();
    } catch (const ApiError &error) {
      text = "data: " + error.json() + "\n\n";
      sink.write(text.data(), text.size());
      sink.done();
      return true;
    }
    if (!sink.write(text.data(), text.size()))
      return false;
    if (answer.isDone())
      sink.done();
    return true;
  }

  const ServedModel &served;
  Engine &engine;
  const ConnectionLimits limits;
  const int64_t created;
  std::atomic<bool> stopping{false}, crowded{false};
  std::atomic<int> answering{0}; ///< requests read and not answered yet
  std::thread thread;
};

HttpServer::HttpServer(const ServedModel &served, Engine &engine,
                       const ConnectionLimits &limits, size_t connections)
    : impl(new Impl(served, engine, limits, connections)) {}

HttpServer::~HttpServer() = default;

int HttpServer::start(const std::string &host, int port) {
  return impl->start(host, port);
}

void HttpServer::stop(milliseconds patience) { impl->end(patience); }
