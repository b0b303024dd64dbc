// The functions of libcuda that the tensor library and our own code call, by their names. Those that are missing end a test by name.

#include "driver.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace stand_in;

// Two contexts of one device are the same, as the primary one is.
static int CONTEXT = 0, MODULE = 0;

struct Function {
    std::string name;
    Kernel kernel;
};

struct Executable {
    std::shared_ptr<Graph> graph;
};

#define LOCKED                   \
    Gpu &gpu = Gpu::get();       \
    const std::lock_guard<std::recursive_mutex> guard(gpu.lock)

extern "C" {

int cuInit(unsigned) { return OK; }
int cuDriverGetVersion(int *version) { return *version = 13000, OK; }
int cuDeviceGetCount(int *count) { return *count = 1, OK; }
int cuDeviceGet(int *device, int ordinal) { return *device = ordinal, OK; }
int cuDeviceGetName(char *name, int size, int) { return strncpy(name, "stand-in", size), OK; }
int cuDeviceGetAttribute(int *value, int attribute, int) {
    constexpr int PROCESSORS = 16, MAJOR = 75, MINOR = 76, POOLS = 115;
    *value = attribute == PROCESSORS ? 4 : attribute == MAJOR ? 9 : attribute == MINOR ? 0 : attribute == POOLS ? 1 : 0;
    return OK;
}
int cuDevicePrimaryCtxRetain(void **context, int) { return *context = &CONTEXT, OK; }
int cuDevicePrimaryCtxRelease_v2(int) { return OK; }
int cuCtxGetCurrent(void **context) { return *context = &CONTEXT, OK; }
int cuCtxSetCurrent(void *) { return OK; }
int cuCtxSynchronize() {
    LOCKED;
    return gpu.synchronize_all();
}
int cuGetErrorName(int, const char **name) { return *name = "CUDA_ERROR", OK; }
int cuGetErrorString(int, const char **text) { return *text = "the stand-in said why on standard error", OK; }

int cuStreamCreate(void **stream, unsigned) {
    LOCKED;
    return *stream = gpu.new_stream(), OK;
}
int cuStreamDestroy_v2(void *stream) {
    LOCKED;
    return gpu.end_stream(static_cast<Stream *>(stream)), OK;
}
int cuStreamSynchronize(void *stream) {
    LOCKED;
    if (!stream) return gpu.complain(INVALID_VALUE, "the default stream: every device has one of its own");
    return gpu.synchronize(static_cast<Stream *>(stream));
}
int cuStreamWaitEvent(void *stream, void *event, unsigned) {
    LOCKED;
    return gpu.wait(static_cast<Stream *>(stream), static_cast<Event *>(event));
}
int cuStreamIsCapturing(void *stream, int *status) {
    LOCKED;
    return *status = static_cast<Stream *>(stream)->captured ? 1 : 0, OK;
}
int cuStreamBeginCapture_v2(void *stream, int) {
    LOCKED;
    return gpu.begin_capture(static_cast<Stream *>(stream));
}
int cuStreamEndCapture(void *stream, void **graph) {
    LOCKED;
    Graph *captured = nullptr;
    const int status = gpu.end_capture(static_cast<Stream *>(stream), &captured);
    *graph = captured;
    return status;
}
int cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long) {
    LOCKED;
    *executable = new Executable{std::make_shared<Graph>(*static_cast<Graph *>(graph))};
    return OK;
}
int cuGraphLaunch(void *executable, void *stream) {
    LOCKED;
    return gpu.launch(static_cast<Executable *>(executable)->graph, static_cast<Stream *>(stream));
}
int cuGraphExecDestroy(void *executable) {
    LOCKED;
    return delete static_cast<Executable *>(executable), OK;
}
int cuGraphDestroy(void *graph) {
    LOCKED;
    return delete static_cast<Graph *>(graph), OK;
}

int cuEventCreate(void **event, unsigned) { return *event = new Event, OK; }
int cuEventDestroy_v2(void *event) {
    LOCKED;
    return delete static_cast<Event *>(event), OK;
}
int cuEventRecord(void *event, void *stream) {
    LOCKED;
    return gpu.record(static_cast<Event *>(event), static_cast<Stream *>(stream));
}
int cuEventSynchronize(void *event) {
    LOCKED;
    const Done done = static_cast<Event *>(event)->done;
    return done ? gpu.wait_for(done) : OK;
}

int cuMemGetInfo_v2(size_t *free, size_t *total) {
    LOCKED;
    *total = size_t(1) << 34;
    return *free = *total - gpu.allocated(), OK;
}
int cuMemAlloc_v2(void **address, size_t bytes) {
    LOCKED;
    return gpu.allocate_in(nullptr, bytes, address);
}
int cuMemFree_v2(void *address) {
    LOCKED;
    return gpu.free_in(nullptr, address);
}
int cuMemAllocAsync(void **address, size_t bytes, void *stream) {
    LOCKED;
    return gpu.allocate_in(static_cast<Stream *>(stream), bytes, address);
}
int cuMemFreeAsync(void *address, void *stream) {
    LOCKED;
    return gpu.free_in(static_cast<Stream *>(stream), address);
}
int cuMemsetD8Async(void *address, unsigned char value, size_t bytes, void *stream) {
    LOCKED;
    if (!gpu.holds(address, bytes)) return gpu.complain(INVALID_VALUE, "bytes are set that were not allocated");
    return gpu.ask(static_cast<Stream *>(stream), [=] { memset(address, value, bytes); });
}
int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
    LOCKED;
    if (static_cast<Stream *>(stream)->captured) {
        return gpu.complain(CAPTURE_UNSUPPORTED, "a graph reads memory of the host, which will be gone");
    }
    if (!gpu.holds(to, bytes)) return gpu.complain(INVALID_VALUE, "a copy to memory that was not allocated");
    // As it is now: the caller may change it.
    const char *start = static_cast<const char *>(from);
    const auto staged = std::make_shared<std::vector<char>>(start, start + bytes);
    return gpu.ask(static_cast<Stream *>(stream), [=] { memcpy(to, staged->data(), staged->size()); });
}
int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
    LOCKED;
    static const bool counts = getenv("PROSPECT_STAND_IN_COUNT") != nullptr;
    if (counts) fprintf(stderr, "stand-in GPU: %zu asked for\n", gpu.asked);
    gpu.asked = 0;
    // Memory of the host that is not pinned: the caller gets it filled.
    const int status = gpu.synchronize(static_cast<Stream *>(stream));
    if (status != OK) return status;
    if (!gpu.holds(from, bytes)) return gpu.complain(INVALID_VALUE, "a copy of memory that was not allocated");
    return memcpy(to, from, bytes), OK;
}
int cuMemcpyDtoDAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
    LOCKED;
    if (!gpu.holds(to, bytes) || !gpu.holds(from, bytes)) {
        return gpu.complain(INVALID_VALUE, "a copy of memory that was not allocated");
    }
    return gpu.ask(static_cast<Stream *>(stream), [=] { memcpy(to, from, bytes); });
}

int cuModuleLoadData(void **module, const void *) { return *module = &MODULE, OK; }
int cuModuleUnload(void *) { return OK; }
int cuModuleGetFunction(void **function, void *, const char *name) {
    LOCKED;
    const Kernel kernel = tensor_kernel(name);
    if (!kernel) return gpu.complain(NOT_FOUND, std::string("no kernel ") + name);
    return *function = new Function{name, kernel}, OK;
}
int cuLaunchKernel(void *function, unsigned blocks, unsigned y, unsigned z, unsigned threads, unsigned threads_y, unsigned threads_z,
                   unsigned, void *stream, void **arguments, void **) {
    LOCKED;
    const bool some = blocks && y && z && threads && threads_y && threads_z;
    if (!some || y > 65535 || z > 65535 || threads * threads_y * threads_z > 1024) {
        return gpu.complain(INVALID_VALUE, "a launch of no block or thread, or of too many");
    }
    // Arguments are read now, memory when it is done.
    return gpu.ask(static_cast<Stream *>(stream), static_cast<Function *>(function)->kernel(arguments, blocks));
}

// What kernels that are emulated in a program of their own are launched by.
int prospect_stand_in_ask(void *stream, void (*work)(void *), void (*end)(void *), void *data) {
    LOCKED;
    const std::shared_ptr<void> kept(data, end);
    return gpu.ask(static_cast<Stream *>(stream), [=] { work(kept.get()); });
}

}  // extern "C"
