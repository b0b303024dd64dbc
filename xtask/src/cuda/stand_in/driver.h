// A GPU that the CPU plays, for tests of what is asked of one: streams, events, memory in the order of a stream, captured graphs. No
// speed, no CUDA header.
//
// What is asked for waits in its stream and is done at some later time that streams, events and synchronisation allow, and at no other:
// PROSPECT_STAND_IN_ORDER=late does it when somebody waits for it, =soon at once where it can be, a number as chance has it. What is
// right in all of these orders needs nothing that it did not wait for. Memory that is new or freed is full of NaN. With
// PROSPECT_STAND_IN_COUNT=1 it says at every reading of results how much was asked for since the last one: what a token costs a host.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace stand_in {

enum Status { OK = 0, INVALID_VALUE = 1, NOT_FOUND = 500, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901 };

using Work = std::function<void()>;

// Whether something that others wait for is done.
using Done = std::shared_ptr<bool>;

struct Task {
    Work work;
    // What has to be done before, in another stream.
    Done after;
};

struct Graph {
    std::vector<Work> works;
    // What it allocates, and whether it frees it as well.
    std::map<void *, bool> memory;
};

struct Stream {
    std::deque<Task> tasks;
    // Where tasks go instead while it is captured.
    std::shared_ptr<Graph> captured;
    bool invalid = false;
};

struct Event {
    Done done;
};

class Gpu {
  public:
    static Gpu &get();

    std::recursive_mutex lock;

    Stream *new_stream();
    void end_stream(Stream *stream);
    int ask(Stream *stream, Work work, Done after = nullptr);
    int record(Event *event, Stream *stream);
    int wait(Stream *stream, Event *event);
    int synchronize(Stream *stream);
    int synchronize_all();

    // How often it was asked for something, but for memory.
    size_t asked = 0;

    int wait_for(const Done &done);

    void *allocate(size_t bytes);
    // `stream` is null for memory that is there, and freed, at once.
    int allocate_in(Stream *stream, size_t bytes, void **address);
    int free_in(Stream *stream, void *address);
    // Bytes that are not freed.
    size_t allocated() const;
    // Whether all of these bytes are of one allocation.
    bool holds(const void *address, size_t bytes) const;

    int begin_capture(Stream *stream);
    int end_capture(Stream *stream, Graph **graph);
    int launch(const std::shared_ptr<Graph> &graph, Stream *stream);

    // Says on standard error what was wrong, and returns the status.
    int complain(int status, const std::string &what);

  private:
    Gpu();
    bool step(Stream *stream);
    void chance();
    void forget(void *address);
    // As `ask`, and is not counted.
    int put(Stream *stream, Work work, Done after = nullptr);

    enum { LATE, SOON, CHANCE } order = LATE;
    std::mt19937 random;
    std::vector<std::unique_ptr<Stream>> streams;
    std::map<uintptr_t, size_t> memory;
    std::deque<std::pair<void *, size_t>> freed;
    size_t kept = 0;
};

// The kernel of the tensor library by its name: takes the arguments and the blocks of a launch and returns its work. Empty if there is
// none.
using Kernel = std::function<Work(void **, unsigned)>;
Kernel tensor_kernel(const std::string &name);

}  // namespace stand_in
