// Streams, events, memory and graphs: driver.h.

#include "driver.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace stand_in {

// Freed memory is kept for a while, full of NaN, for whoever still reads it: so many bytes of it.
constexpr size_t KEPT = 64 << 20;

Gpu &Gpu::get() {
    // Never destroyed: threads may outlive the end of main.
    static Gpu *gpu = new Gpu;
    return *gpu;
}

Gpu::Gpu() {
    const char *wanted = getenv("PROSPECT_STAND_IN_ORDER");
    const std::string name = wanted ? wanted : "late";
    if (name == "late") {
        order = LATE;
    } else if (name == "soon") {
        order = SOON;
    } else {
        order = CHANCE;
        random.seed(strtoul(name.c_str(), nullptr, 10));
    }
}

int Gpu::complain(int status, const std::string &what) {
    fprintf(stderr, "stand-in GPU: %s\n", what.c_str());
    return status;
}

Stream *Gpu::new_stream() {
    streams.push_back(std::make_unique<Stream>());
    return streams.back().get();
}

void Gpu::end_stream(Stream *stream) { synchronize(stream); }

// Does the first task of a stream, if nothing stands before it.
bool Gpu::step(Stream *stream) {
    if (stream->tasks.empty()) return false;
    if (stream->tasks.front().after && !*stream->tasks.front().after) return false;
    const Task task = std::move(stream->tasks.front());
    stream->tasks.pop_front();
    if (task.work) task.work();
    return true;
}

void Gpu::chance() {
    if (order == LATE || streams.empty()) return;
    if (order == SOON) {
        for (bool any = true; any;) {
            any = false;
            for (auto &stream : streams) any = step(stream.get()) || any;
        }
        return;
    }
    for (unsigned times = random() % 8; times > 0; times--) step(streams[random() % streams.size()].get());
}

int Gpu::ask(Stream *stream, Work work, Done after) {
    asked++;
    return put(stream, std::move(work), std::move(after));
}

int Gpu::put(Stream *stream, Work work, Done after) {
    if (stream->captured) {
        if (stream->invalid) return CAPTURE_INVALIDATED;
        stream->captured->works.push_back(std::move(work));
        return OK;
    }
    stream->tasks.push_back({std::move(work), std::move(after)});
    chance();
    return OK;
}

int Gpu::record(Event *event, Stream *stream) {
    if (stream->captured) return complain(CAPTURE_UNSUPPORTED, "an event in a stream that is captured");
    const Done done = std::make_shared<bool>(false);
    event->done = done;
    return ask(stream, [done] { *done = true; });
}

int Gpu::wait(Stream *stream, Event *event) {
    if (stream->captured) return complain(CAPTURE_UNSUPPORTED, "a stream that is captured waits for another one");
    if (!event->done) return OK;
    return ask(stream, nullptr, event->done);
}

int Gpu::wait_for(const Done &done) {
    // Whatever it waits for is in some stream.
    for (bool any = true; any && !*done;) {
        any = false;
        for (auto &stream : streams) any = (!*done && step(stream.get())) || any;
    }
    return *done ? OK : complain(INVALID_VALUE, "an event that nothing leads to");
}

int Gpu::synchronize(Stream *stream) {
    if (stream->captured) {
        stream->invalid = true;
        return complain(CAPTURE_UNSUPPORTED, "waiting for a stream that is captured");
    }
    while (!stream->tasks.empty()) {
        const Done after = stream->tasks.front().after;
        if (after && !*after) {
            const int status = wait_for(after);
            if (status != OK) return status;
        }
        step(stream);
    }
    return OK;
}

int Gpu::synchronize_all() {
    for (size_t index = 0; index < streams.size(); index++) {
        const int status = synchronize(streams[index].get());
        if (status != OK) return status;
    }
    return OK;
}

void *Gpu::allocate(size_t bytes) {
    const size_t size = (bytes + 255) / 256 * 256 + 256;
    void *address = aligned_alloc(256, size);
    memset(address, 0xff, size);
    memory[uintptr_t(address)] = bytes;
    return address;
}

void Gpu::forget(void *address) {
    const auto found = memory.find(uintptr_t(address));
    memset(address, 0xff, found->second);
    freed.push_back({address, found->second});
    kept += found->second;
    memory.erase(found);
    for (; kept > KEPT; freed.pop_front()) {
        kept -= freed.front().second;
        free(freed.front().first);
    }
}

int Gpu::allocate_in(Stream *stream, size_t bytes, void **address) {
    if (!stream) {
        for (const auto &other : streams) {
            if (other->captured) return complain(CAPTURE_UNSUPPORTED, "memory of the whole GPU while a stream is captured");
        }
    }
    *address = allocate(bytes);
    if (stream && stream->captured) stream->captured->memory[*address] = false;
    return OK;
}

int Gpu::free_in(Stream *stream, void *address) {
    if (!memory.count(uintptr_t(address))) return complain(INVALID_VALUE, "memory is freed that was not allocated");
    if (!stream) {
        forget(address);
        return OK;
    }
    if (stream->captured) {
        const auto own = stream->captured->memory.find(address);
        if (stream->invalid) return CAPTURE_INVALIDATED;
        if (own == stream->captured->memory.end()) {
            stream->invalid = true;
            return complain(INVALID_VALUE, "a graph frees memory that it has not allocated");
        }
        own->second = true;
        const size_t bytes = memory[uintptr_t(address)];
        return put(stream, [address, bytes] { memset(address, 0xff, bytes); });
    }
    return put(stream, [this, address] { forget(address); });
}

size_t Gpu::allocated() const {
    size_t bytes = 0;
    for (const auto &[address, size] : memory) bytes += size;
    return bytes;
}

bool Gpu::holds(const void *address, size_t bytes) const {
    auto behind = memory.upper_bound(uintptr_t(address));
    if (behind == memory.begin()) return bytes == 0;
    --behind;
    return uintptr_t(address) + bytes <= behind->first + behind->second;
}

int Gpu::begin_capture(Stream *stream) {
    if (stream->captured) return complain(CAPTURE_UNSUPPORTED, "a stream is captured already");
    stream->captured = std::make_shared<Graph>();
    stream->invalid = false;
    return OK;
}

int Gpu::end_capture(Stream *stream, Graph **graph) {
    if (!stream->captured) return complain(INVALID_VALUE, "a stream is not captured");
    const std::shared_ptr<Graph> captured = std::move(stream->captured);
    stream->captured = nullptr;
    *graph = nullptr;
    if (stream->invalid) return CAPTURE_INVALIDATED;
    for (const auto &[address, is_freed] : captured->memory) {
        if (!is_freed) return complain(INVALID_VALUE, "a graph that is launched again keeps what it allocates");
    }
    *graph = new Graph(*captured);
    return OK;
}

int Gpu::launch(const std::shared_ptr<Graph> &graph, Stream *stream) {
    if (stream->captured) return complain(CAPTURE_UNSUPPORTED, "a graph in a stream that is captured");
    return ask(stream, [graph] {
        for (const Work &work : graph->works) work();
    });
}

}  // namespace stand_in
