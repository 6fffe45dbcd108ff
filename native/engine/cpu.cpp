#include "cpu.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <thread>

#include "../ggml/install.h"
#include "../kernels/isa.h"
#include "error.h"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#ifndef NOMINMAX // libstdc++ of mingw-w64 has it already
#define NOMINMAX
#endif
#include <windows.h>
// after windows.h, whose types it uses
#include <psapi.h>
#else
#include <sys/resource.h>
#include <unistd.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__APPLE__)
#include <mach/mach.h>
#include <sys/sysctl.h>
#endif

namespace bge {

const std::vector<std::string>& cpu_features() {
    return kernels::cpu_features();
}

void require_supported_cpu() {
#if defined(__x86_64__)
    const std::vector<std::string>& found = cpu_features();
    std::string missing;
    for (const char* need : {"avx2", "fma", "f16c", "bmi2"}) {
        if (std::find(found.begin(), found.end(), need) == found.end())
            missing += missing.empty() ? need : std::string(", ") + need;
    }
    if (!missing.empty())
        throw Error(ErrorCode::UnsupportedCpu,
                    "This processor lacks " + missing +
                        "; bge-m3-node needs x86-64-v3 (AVX2, FMA, F16C, BMI2: Intel since Haswell "
                        "2013, AMD since Excavator 2015).");
#endif
}

namespace {

#if defined(__linux__)
/// First token of a small file in /proc or /sys; empty when it cannot be read.
std::string read_word(const std::string& path) {
    std::ifstream in(path);
    std::string word;
    in >> word;
    return word;
}

/// Physical cores among the CPUs this process may run on.
int allowed_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return static_cast<int>(std::thread::hardware_concurrency());
    std::set<std::string> cores;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &set))
            continue;
        const std::string siblings = read_word("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                                               "/topology/thread_siblings_list");
        cores.insert(siblings.empty() ? std::to_string(cpu) : siblings);
    }
    return static_cast<int>(cores.size());
}

/// CPUs that the cgroup's quota (v2, then v1) is worth, rounded up; a large number without a quota.
int cgroup_cpus() {
    constexpr int kUnlimited = 1 << 20;
    auto worth = [](double quota, double period) {
        return quota > 0 && period > 0 ? static_cast<int>((quota + period - 1) / period)
                                       : kUnlimited;
    };
    std::ifstream v2("/sys/fs/cgroup/cpu.max");
    std::string quota;
    double period = 0;
    if (v2 >> quota >> period)
        return quota == "max" ? kUnlimited : worth(std::atof(quota.c_str()), period);
    return worth(std::atof(read_word("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").c_str()),
                 std::atof(read_word("/sys/fs/cgroup/cpu/cpu.cfs_period_us").c_str()));
}

uint64_t meminfo_available() {
    std::ifstream in("/proc/meminfo");
    std::string key;
    uint64_t kib = 0;
    while (in >> key >> kib) {
        if (key == "MemAvailable:")
            return kib * 1024;
        in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    }
    return std::numeric_limits<uint64_t>::max();
}

uint64_t cgroup_available() {
    constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();
    const std::pair<const char*, const char*> places[] = {
        {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
        {"/sys/fs/cgroup/memory/memory.limit_in_bytes",
         "/sys/fs/cgroup/memory/memory.usage_in_bytes"}};
    for (const auto& [limit_file, used_file] : places) {
        const std::string limit = read_word(limit_file);
        const std::string used = read_word(used_file);
        if (limit.empty() || limit == "max" || used.empty())
            continue;
        const uint64_t most = std::strtoull(limit.c_str(), nullptr, 10);
        const uint64_t now = std::strtoull(used.c_str(), nullptr, 10);
        // page cache counts as used but is given back under pressure: half of it is a fair guess
        return most > now ? most - now / 2 : most / 2;
    }
    return kNone;
}

uint64_t statm_bytes(int field) {
    std::ifstream in("/proc/self/statm");
    uint64_t pages = 0;
    for (int i = 0; i <= field; ++i)
        in >> pages;
    return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t address_space_available() {
    rlimit limit{};
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return std::numeric_limits<uint64_t>::max();
    const uint64_t used = statm_bytes(0);
    return limit.rlim_cur > used ? limit.rlim_cur - used : 0;
}
#endif

} // namespace

KernelsInUse kernels_in_use(const std::string& wish) {
    kernels::Options options;
    options.isa = wish.empty() ? nullptr : wish.c_str();
    kernels::install(options);
    return {kernels::isa(), kernels::quant_name()};
}

int default_threads() {
#if defined(__linux__)
    return std::max(1, std::min(allowed_cores(), cgroup_cpus()));
#elif defined(__APPLE__)
    int cores = 0;
    size_t size = sizeof(cores);
    if (sysctlbyname("hw.perflevel0.physicalcpu", &cores, &size, nullptr, 0) != 0)
        sysctlbyname("hw.physicalcpu", &cores, &size, nullptr, 0);
    return std::max(1, cores);
#elif defined(_WIN32)
    DWORD size = 0;
    GetLogicalProcessorInformation(nullptr, &size);
    std::vector<SYSTEM_LOGICAL_PROCESSOR_INFORMATION> info(size / sizeof(info[0]));
    int cores = 0;
    if (!info.empty() && GetLogicalProcessorInformation(info.data(), &size)) {
        for (const auto& item : info)
            cores += item.Relationship == RelationProcessorCore ? 1 : 0;
    }
    return std::max(1, cores);
#else
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
#endif
}

uint64_t available_memory() {
#if defined(__linux__)
    return std::min({meminfo_available(), cgroup_available(), address_space_available()});
#elif defined(_WIN32)
    MEMORYSTATUSEX status{};
    status.dwLength = sizeof(status);
    return GlobalMemoryStatusEx(&status) ? status.ullAvailPhys
                                         : std::numeric_limits<uint64_t>::max();
#else
    return std::numeric_limits<uint64_t>::max();
#endif
}

uint64_t resident_memory() {
#if defined(__linux__)
    return statm_bytes(1);
#elif defined(__APPLE__)
    mach_task_basic_info info{};
    mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;
    const auto result = task_info(mach_task_self(), MACH_TASK_BASIC_INFO,
                                  reinterpret_cast<task_info_t>(&info), &count);
    return result == KERN_SUCCESS ? info.resident_size : 0;
#elif defined(_WIN32)
    PROCESS_MEMORY_COUNTERS counters{};
    return GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof(counters))
               ? counters.WorkingSetSize
               : 0;
#else
    return 0;
#endif
}

} // namespace bge
