// Records every call of a process that changes files below one directory, for tests/support/recorded_disk.py; with
// record_raw_calls.c those that bypass the C library too.
//
// Loaded with LD_PRELOAD into any program, so that it sees what the program does and not what the program says it does.
// EDGESHARD_RECORD_BASE is the directory, EDGESHARD_RECORD_LOG the file for the records, which are
//   kind u8, inode u64, offset i64, length u32, data
// little endian; what a field means is in recorded_disk.py. Changes through shared mappings are found by comparing them
// with a copy: when one is synced or unmapped, and at each call of edgeshard_mark(), by which the program says how far
// it is.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, SIZE, SYNC, CREATE, MKDIR, UNLINK, RENAME, SYNC_DIRECTORY, LINK, MARK, RAW };

int record_raw_calls(void);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static char base[PATH_MAX];
static size_t base_length;
static pid_t owner;

#define REAL(name) static __typeof__(&name) real_##name; \
    if (!real_##name) real_##name = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void note_raw(void);

__attribute__((constructor)) static void start(void) {
    const char *where = getenv("EDGESHARD_RECORD_BASE"), *log = getenv("EDGESHARD_RECORD_LOG");
    if (!where || !log || !realpath(where, base)) return;
    base_length = strlen(base);
    REAL(open);
    log_fd = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    owner = getpid();
    if (record_raw_calls()) note_raw();
}

static int recording(void) { return log_fd >= 0 && getpid() == owner; }

static void put(const void *data, size_t size) {
    REAL(write);
    for (const char *p = data; size;) {
        ssize_t done = real_write(log_fd, p, size);
        if (done <= 0) abort();
        p += done, size -= (size_t)done;
    }
}

// The caller holds the mutex.
static void emit(int kind, uint64_t inode, int64_t offset, const void *data, size_t size) {
    unsigned char head[21];
    uint32_t length = (uint32_t)size;
    head[0] = (unsigned char)kind;
    memcpy(head + 1, &inode, 8);
    memcpy(head + 9, &offset, 8);
    memcpy(head + 17, &length, 4);
    put(head, sizeof head);
    put(data, size);
}

// Calls that bypass the C library are seen too.
static void note_raw(void) { emit(RAW, 0, 0, "", 0); }

static int inside(const char *path) {
    return !strncmp(path, base, base_length) && (path[base_length] == '/' || !path[base_length]);
}

// The absolute path of a file descriptor below the base; 0 for others.
static int path_of(int fd, char *out) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, out, PATH_MAX - 1);
    if (length < 0) return 0;
    out[length] = 0;
    return inside(out);
}

// Absolute, with the folder resolved and the last part as it is.
static int absolute(int at, const char *path, char *out) {
    char whole[2 * PATH_MAX], folder[PATH_MAX];
    if (path[0] == '/') snprintf(whole, sizeof whole, "%s", path);
    else {
        if (at == AT_FDCWD) { if (!getcwd(folder, sizeof folder)) return 0; }
        else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
            ssize_t length = readlink(link, folder, sizeof folder - 1);
            if (length < 0) return 0;
            folder[length] = 0;
        }
        snprintf(whole, sizeof whole, "%s/%s", folder, path);
    }
    size_t length = strlen(whole);
    while (length > 1 && whole[length - 1] == '/') whole[--length] = 0;
    char *slash = strrchr(whole, '/');
    if (!slash) return 0;
    char name[NAME_MAX + 1];
    snprintf(name, sizeof name, "%s", slash + 1);
    *slash = 0;
    if (!realpath(slash == whole ? "/" : whole, folder)) return 0;
    return snprintf(out, PATH_MAX, "%s/%s", strcmp(folder, "/") ? folder : "", name) < PATH_MAX && inside(out);
}

static uint64_t inode_of_folder(const char *path) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash) *slash = 0;
    struct stat status;
    return stat(folder, &status) ? 0 : status.st_ino;
}

static const char *name_of(const char *path) { return strrchr(path, '/') + 1; }

// ---- names

// kind, inode of the folder, inode of the entry, name
static void note_entry(int kind, const char *path, int64_t entry) {
    emit(kind, inode_of_folder(path), entry, name_of(path), strlen(name_of(path)));
}

static int open_recorded(int at, const char *path, int flags, mode_t mode) {
    REAL(openat);
    char whole[PATH_MAX];
    if (!recording() || !(flags & (O_CREAT | O_TRUNC)) || !absolute(at, path, whole))
        return real_openat(at, path, flags, mode);
    pthread_mutex_lock(&mutex);
    struct stat status;
    int existed = !lstat(whole, &status);
    int fd = real_openat(at, path, flags, mode), error = errno;
    if (fd >= 0) {
        fstat(fd, &status);
        if (!existed) note_entry(CREATE, whole, (int64_t)status.st_ino);
        else if (flags & O_TRUNC) emit(SIZE, status.st_ino, 0, "", 0);
    }
    pthread_mutex_unlock(&mutex);
    errno = error;
    return fd;
}

#define OPEN_BODY(at) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); } \
    return open_recorded(at, path, flags, mode)

int open(const char *path, int flags, ...) { OPEN_BODY(AT_FDCWD); }
int open64(const char *path, int flags, ...) { OPEN_BODY(AT_FDCWD); }
int openat(int at, const char *path, int flags, ...) { OPEN_BODY(at); }
int openat64(int at, const char *path, int flags, ...) { OPEN_BODY(at); }
int creat(const char *path, mode_t mode) { return open_recorded(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int mkdirat(int at, const char *path, mode_t mode) {
    REAL(mkdirat);
    char whole[PATH_MAX];
    if (!recording() || !absolute(at, path, whole)) return real_mkdirat(at, path, mode);
    pthread_mutex_lock(&mutex);
    int result = real_mkdirat(at, path, mode), error = errno;
    struct stat status;
    if (!result && !lstat(whole, &status)) note_entry(MKDIR, whole, (int64_t)status.st_ino);
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int unlinkat(int at, const char *path, int flags) {
    REAL(unlinkat);
    char whole[PATH_MAX];
    if (!recording() || !absolute(at, path, whole)) return real_unlinkat(at, path, flags);
    pthread_mutex_lock(&mutex);
    int result = real_unlinkat(at, path, flags), error = errno;
    if (!result) note_entry(UNLINK, whole, 0);
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
    struct stat status;
    return unlinkat(AT_FDCWD, path, !lstat(path, &status) && S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0);
}

// inode of the new folder, inode of the entry, "inode of the old folder NUL new name NUL old name"
static void note_move(int kind, const char *from, const char *to, int64_t entry) {
    char data[2 * NAME_MAX + 40];
    int length = snprintf(data, sizeof data, "%llu", (unsigned long long)inode_of_folder(from));
    length += 1 + snprintf(data + length + 1, sizeof data - (size_t)length - 1, "%s", name_of(to));
    length += 1 + snprintf(data + length + 1, sizeof data - (size_t)length - 1, "%s", name_of(from));
    emit(kind, inode_of_folder(to), entry, data, (size_t)length);
}

int renameat2(int old_at, const char *old, int new_at, const char *new, unsigned flags) {
    REAL(renameat2);
    char from[PATH_MAX], to[PATH_MAX];
    if (!recording() || !absolute(old_at, old, from) || !absolute(new_at, new, to))
        return real_renameat2(old_at, old, new_at, new, flags);
    if (flags & 2) abort();  // exchanging is not recorded
    pthread_mutex_lock(&mutex);
    struct stat status;
    int known = !lstat(from, &status);
    int result = real_renameat2(old_at, old, new_at, new, flags), error = errno;
    if (!result && known) note_move(RENAME, from, to, (int64_t)status.st_ino);
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}
int renameat(int old_at, const char *old, int new_at, const char *new) { return renameat2(old_at, old, new_at, new, 0); }
int rename(const char *old, const char *new) { return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0); }

int linkat(int old_at, const char *old, int new_at, const char *new, int flags) {
    REAL(linkat);
    char to[PATH_MAX];
    if (!recording() || !absolute(new_at, new, to)) return real_linkat(old_at, old, new_at, new, flags);
    pthread_mutex_lock(&mutex);
    int result = real_linkat(old_at, old, new_at, new, flags), error = errno;
    struct stat status;
    if (!result && !lstat(to, &status)) note_entry(LINK, to, (int64_t)status.st_ino);
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}
int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

// ---- content

static int regular(int fd, struct stat *status) {
    char path[PATH_MAX];
    return recording() && fd != log_fd && !fstat(fd, status) && S_ISREG(status->st_mode) && path_of(fd, path);
}

static ssize_t written(int fd, const struct iovec *parts, int count, off_t offset) {
    REAL(pwritev);
    REAL(writev);
    struct stat status;
    if (!regular(fd, &status)) return offset < 0 ? real_writev(fd, parts, count) : real_pwritev(fd, parts, count, offset);
    pthread_mutex_lock(&mutex);
    off_t at = offset >= 0 ? offset : fcntl(fd, F_GETFL) & O_APPEND ? status.st_size : lseek(fd, 0, SEEK_CUR);
    ssize_t done = offset < 0 ? real_writev(fd, parts, count) : real_pwritev(fd, parts, count, offset);
    int error = errno;
    ssize_t left = done;
    for (int i = 0; i < count && left > 0; ++i) {
        size_t size = parts[i].iov_len < (size_t)left ? parts[i].iov_len : (size_t)left;
        emit(WRITE, status.st_ino, at, parts[i].iov_base, size);
        at += (off_t)size, left -= (ssize_t)size;
    }
    pthread_mutex_unlock(&mutex);
    errno = error;
    return done;
}

ssize_t write(int fd, const void *data, size_t size) {
    struct iovec part = {(void *)data, size};
    if (fd == log_fd || !recording()) { REAL(write); return real_write(fd, data, size); }
    return written(fd, &part, 1, -1);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    struct iovec part = {(void *)data, size};
    return written(fd, &part, 1, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) { return pwrite(fd, data, size, offset); }
ssize_t writev(int fd, const struct iovec *parts, int count) { return written(fd, parts, count, -1); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) { return written(fd, parts, count, offset); }
ssize_t pwritev64(int fd, const struct iovec *p, int count, off64_t offset) { return written(fd, p, count, offset); }

// What a call that copies inside the kernel has put there, read back.
static void note_copied(int fd, const struct stat *status, off_t at, ssize_t size) {
    char block[1 << 16];
    char path[PATH_MAX];
    if (!path_of(fd, path)) return;
    REAL(open);
    int again = real_open(path, O_RDONLY | O_CLOEXEC);
    while (size > 0) {
        ssize_t got = pread(again, block, size < (ssize_t)sizeof block ? (size_t)size : sizeof block, at);
        if (got <= 0) break;
        emit(WRITE, status->st_ino, at, block, (size_t)got);
        at += got, size -= got;
    }
    close(again);
}

ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t size, unsigned flags) {
    REAL(copy_file_range);
    struct stat status;
    if (!regular(out, &status)) return real_copy_file_range(in, in_at, out, out_at, size, flags);
    pthread_mutex_lock(&mutex);
    off_t at = out_at ? *out_at : lseek(out, 0, SEEK_CUR);
    ssize_t done = real_copy_file_range(in, in_at, out, out_at, size, flags);
    int error = errno;
    note_copied(out, &status, at, done);
    pthread_mutex_unlock(&mutex);
    errno = error;
    return done;
}
ssize_t sendfile(int out, int in, off_t *in_at, size_t size) {
    static ssize_t (*real)(int, int, off_t *, size_t);
    if (!real) real = (__typeof__(real))dlsym(RTLD_NEXT, "sendfile");
    struct stat status;
    if (!regular(out, &status)) return real(out, in, in_at, size);
    pthread_mutex_lock(&mutex);
    off_t at = lseek(out, 0, SEEK_CUR);
    ssize_t done = real(out, in, in_at, size);
    int error = errno;
    note_copied(out, &status, at, done);
    pthread_mutex_unlock(&mutex);
    errno = error;
    return done;
}
ssize_t sendfile64(int out, int in, off64_t *in_at, size_t size) { return sendfile(out, in, in_at, size); }

#define SIZED(call, size_now) \
    struct stat status; \
    if (!regular(fd, &status)) return call; \
    pthread_mutex_lock(&mutex); \
    int result = call, error = errno; \
    if (!fstat(fd, &status) && !result) emit(SIZE, status.st_ino, (int64_t)(size_now), "", 0); \
    pthread_mutex_unlock(&mutex); \
    errno = error; \
    return result

int ftruncate(int fd, off_t size) { REAL(ftruncate); SIZED(real_ftruncate(fd, size), size); }
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }
int truncate(const char *path, off_t size) {
    REAL(open);
    int fd = real_open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int result = ftruncate(fd, size), error = errno;
    close(fd);
    errno = error;
    return result;
}
int truncate64(const char *path, off64_t size) { return truncate(path, size); }
int fallocate(int fd, int mode, off_t offset, off_t size) {
    REAL(fallocate);
    if (mode & ~1) abort();  // punching holes is not recorded
    SIZED(real_fallocate(fd, mode, offset, size), status.st_size);
}
int fallocate64(int fd, int mode, off64_t offset, off64_t size) { return fallocate(fd, mode, offset, size); }
int posix_fallocate(int fd, off_t offset, off_t size) {
    REAL(posix_fallocate);
    SIZED(real_posix_fallocate(fd, offset, size), status.st_size);
}
int posix_fallocate64(int fd, off64_t offset, off64_t size) { return posix_fallocate(fd, offset, size); }

static void note_mapped(uint64_t inode);

static int synced(int fd, int (*call)(int)) {
    char path[PATH_MAX];
    struct stat status;
    int ours = recording() && !fstat(fd, &status) && path_of(fd, path);
    if (ours) pthread_mutex_lock(&mutex);
    int result = ours ? 0 : call(fd), error = errno;  // the record tells what it does; waiting for it would tell no more
    if (ours) {
        note_mapped(status.st_ino);
        emit(S_ISDIR(status.st_mode) ? SYNC_DIRECTORY : SYNC, status.st_ino, 0, "", 0);
        pthread_mutex_unlock(&mutex);
    }
    errno = error;
    return result;
}
int fsync(int fd) { REAL(fsync); return synced(fd, real_fsync); }
int fdatasync(int fd) { REAL(fdatasync); return synced(fd, real_fdatasync); }

// ---- shared mappings

struct mapping {
    char *start, *copy;
    size_t size;
    uint64_t inode;
    int64_t offset;
    int fd;
};
enum { MAPPINGS = 65536, PAGE = 4096 };
static struct mapping mappings[MAPPINGS];
static int mapping_count;

// Records the pages of a mapping that are not as they were. The caller holds the mutex.
static void note_changes(struct mapping *m) {
    struct stat status;
    if (fstat(m->fd, &status)) return;
    for (size_t at = 0; at < m->size; at += PAGE) {
        int64_t left = (int64_t)status.st_size - m->offset - (int64_t)at;  // behind the end of the file is a SIGBUS
        if (left <= 0) return;
        size_t size = m->size - at < PAGE ? m->size - at : PAGE;
        if ((int64_t)size > left) size = (size_t)left;
        if (!memcmp(m->start + at, m->copy + at, size)) continue;
        memcpy(m->copy + at, m->start + at, size);
        emit(WRITE, m->inode, m->offset + (int64_t)at, m->copy + at, size);
    }
}

void *mmap(void *where, size_t size, int protection, int flags, int fd, off_t offset) {
    REAL(mmap);
    void *result = real_mmap(where, size, protection, flags, fd, offset);
    struct stat status;
    if (result == MAP_FAILED || !(flags & MAP_SHARED) || !(protection & PROT_WRITE) || fd < 0 || !regular(fd, &status))
        return result;
    pthread_mutex_lock(&mutex);
    if (mapping_count == MAPPINGS) abort();
    struct mapping *m = mappings + mapping_count++;
    *m = (struct mapping){result, calloc(size, 1), size, status.st_ino, offset, fcntl(fd, F_DUPFD_CLOEXEC, 3)};
    for (size_t at = 0; at < size && offset + (off_t)at < status.st_size; at += PAGE) {
        size_t part = size - at < PAGE ? size - at : PAGE;
        if ((off_t)part > status.st_size - offset - (off_t)at) part = (size_t)(status.st_size - offset - (off_t)at);
        if (memcmp(m->start + at, m->copy + at, part)) memcpy(m->copy + at, m->start + at, part);
    }
    pthread_mutex_unlock(&mutex);
    return result;
}
void *mmap64(void *where, size_t size, int protection, int flags, int fd, off64_t offset) {
    return mmap(where, size, protection, flags, fd, offset);
}
int munmap(void *start, size_t size) {
    REAL(munmap);
    if (recording()) {
        pthread_mutex_lock(&mutex);
        for (int i = 0; i < mapping_count; ++i) {
            if (mappings[i].start != start) continue;
            note_changes(mappings + i);
            free(mappings[i].copy);
            close(mappings[i].fd);
            mappings[i] = mappings[--mapping_count];
            break;
        }
        pthread_mutex_unlock(&mutex);
    }
    return real_munmap(start, size);
}
int msync(void *start, size_t size, int flags) {
    REAL(msync);
    if (!recording() || !(flags & MS_SYNC)) return real_msync(start, size, flags);
    pthread_mutex_lock(&mutex);
    int result = real_msync(start, size, MS_ASYNC), error = errno;
    for (int i = 0; i < mapping_count && !result; ++i) {
        struct mapping *m = mappings + i;
        if ((char *)start >= m->start + m->size || (char *)start + size <= m->start) continue;
        note_changes(m);
        emit(SYNC, m->inode, 0, "", 0);
    }
    pthread_mutex_unlock(&mutex);
    errno = error;
    return result;
}

static void note_mapped(uint64_t inode) {
    for (int i = 0; i < mapping_count; ++i)
        if (mappings[i].inode == inode) note_changes(mappings + i);
}

// ---- marks

void edgeshard_mark(const char *text) {
    if (!recording()) return;
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < mapping_count; ++i) note_changes(mappings + i);
    emit(MARK, 0, 0, text, strlen(text));
    pthread_mutex_unlock(&mutex);
}
