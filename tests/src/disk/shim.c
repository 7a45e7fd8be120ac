/*
 * Stands between a program and its files, to tell what it asked of the disk and to make that disk
 * slow or full. Loaded with LD_PRELOAD into programs that are linked dynamically with glibc; see
 * `shim.rs` beside this file for how tests build and use it. By hand:
 *
 *   cc -shared -fPIC -O2 -Wall -Wextra -o shim.so tests/src/disk/shim.c
 *   SKEP_SHIM_FOLDER=/var/lib/skep SKEP_SHIM_CONTROL=/tmp/control LD_PRELOAD=./shim.so skep daemon
 *   printf 'sync_ms=3000\n' >/tmp/control      each fsync and fdatasync takes 3 s more from now on
 *   printf 'full=1\n' >/tmp/control            writes that would make a file larger get ENOSPC
 *   printf 'full=1\nsync_ms=50\n' >/tmp/control                          both
 *   : >/tmp/control                            an ordinary disk again (so does removing the file)
 *
 * SKEP_SHIM_FOLDER   Only files below this folder are looked at. It need not exist yet, but the
 *                    folder that it lies in must. Without it the shim does nothing.
 * SKEP_SHIM_CONTROL  Read before each sync, write and creation; may be missing. Replace it by a
 *                    rename where half of it must not be read.
 * SKEP_SHIM_JOURNAL  Every operation is appended to this file, which must lie elsewhere, in the
 *                    order in which it happened and with what was written. Format: `struct record`.
 *
 * What it does not see: maps of memory, io_uring, copy_file_range, sendfile, and the files of C's
 * stdio (so try it with dd and not with a shell's echo). Neither std::fs::File nor sled 0.34 use
 * them. sync_file_range passes unrecorded, for it promises nothing after a power cut.
 */
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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind {
	CREATE = 1, /* path, inode */
	FOLDER,     /* path, inode */
	WRITE,      /* inode, offset, data */
	RESIZE,     /* inode, offset: the new size */
	RENAME,     /* path, data: the new path */
	REMOVE,     /* path */
	SYNC_BEGIN, /* inode, offset: the thread */
	SYNC_END,   /* inode, offset: the thread; only if it succeeded */
	NOTE,       /* data: what the program itself appended to the journal */
};

/* Followed by the path and the data. Numbers are those of this machine. */
struct record {
	uint32_t kind;
	uint32_t path_bytes;
	uint64_t inode;
	uint64_t offset;
	uint64_t data_bytes;
};

#define DESCRIPTORS_MAX 65536

static char folder[PATH_MAX];
static const char *control;
static int journal = -1;
static unsigned char watched[DESCRIPTORS_MAX];
/* Held from an operation to its record, so that the journal's order is the disk's. */
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

#define NEXT(name) ((__typeof__(&name))next(#name))

static void *next(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);
	if (found == NULL) {
		dprintf(2, "shim: libc has no %s\n", name);
		abort();
	}
	return found;
}

/* Symbolic links are followed up to the last part, which need not exist. */
static int resolve(int base, const char *path, char *resolved)
{
	char whole[PATH_MAX], parent[PATH_MAX], link[64];
	if (path[0] == '/' || base == AT_FDCWD) {
		snprintf(whole, sizeof whole, "%s", path);
	} else {
		snprintf(link, sizeof link, "/proc/self/fd/%d", base);
		ssize_t length = readlink(link, parent, sizeof parent - 1);
		if (length < 0)
			return -1;
		parent[length] = 0;
		if (snprintf(whole, sizeof whole, "%s/%s", parent, path) >= (int)sizeof whole)
			return -1;
	}
	char *end = whole + strlen(whole);
	while (end > whole + 1 && end[-1] == '/')
		*--end = 0;
	char *slash = strrchr(whole, '/');
	const char *name = slash == NULL ? whole : slash + 1;
	if (slash != NULL)
		*slash = 0;
	if (realpath(slash == NULL ? "." : whole[0] ? whole : "/", parent) == NULL)
		return -1;
	const char *join = strcmp(parent, "/") == 0 ? "" : "/";
	return snprintf(resolved, PATH_MAX, "%s%s%s", parent, join, name) < PATH_MAX ? 0 : -1;
}

/* The path below the folder, "" for the folder itself, NULL for what lies elsewhere. */
static const char *below(const char *resolved)
{
	size_t length = strlen(folder);
	if (length == 0 || strncmp(resolved, folder, length) != 0)
		return NULL;
	if (resolved[length] == 0)
		return "";
	return resolved[length] == '/' ? resolved + length + 1 : NULL;
}

static const char *watched_path(int base, const char *path, char *resolved)
{
	int before = errno;
	const char *found = folder[0] && resolve(base, path, resolved) == 0 ? below(resolved) : NULL;
	errno = before;
	return found;
}

__attribute__((constructor)) static void start(void)
{
	const char *wanted = getenv("SKEP_SHIM_FOLDER"), *path = getenv("SKEP_SHIM_JOURNAL");
	char resolved[PATH_MAX];
	control = getenv("SKEP_SHIM_CONTROL");
	if (wanted == NULL || wanted[0] == 0)
		return;
	if (resolve(AT_FDCWD, wanted, resolved) != 0) {
		dprintf(2, "shim: the folder around %s cannot be found\n", wanted);
		abort();
	}
	if (path != NULL && path[0]) {
		journal = NEXT(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (journal < 0) {
			dprintf(2, "shim: %s: %s\n", path, strerror(errno));
			abort();
		}
	}
	snprintf(folder, sizeof folder, "%s", resolved);
}

/* What the control file says of `key` now; 0 where it says nothing. */
static long asked(const char *key)
{
	char text[256], *line, *rest = NULL;
	int before = errno, file = control ? NEXT(open)(control, O_RDONLY | O_CLOEXEC) : -1;
	long value = 0;
	if (file >= 0) {
		ssize_t length = read(file, text, sizeof text - 1);
		NEXT(close)(file);
		text[length < 0 ? 0 : length] = 0;
		for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
			size_t name = strlen(key);
			if (strncmp(line, key, name) == 0 && line[name] == '=')
				value = strtol(line + name + 1, NULL, 10);
		}
	}
	errno = before;
	return value;
}

static int is_full(void)
{
	if (!asked("full"))
		return 0;
	errno = ENOSPC;
	return 1;
}

static void record(struct record head, const char *path, const void *data)
{
	int before = errno;
	head.path_bytes = path ? strlen(path) : 0;
	struct iovec parts[] = {
		{ &head, sizeof head },
		{ (void *)path, head.path_bytes },
		{ (void *)data, head.data_bytes },
	};
	ssize_t whole = sizeof head + head.path_bytes + head.data_bytes;
	/* In one call, so that nobody else's record comes between. */
	if (journal >= 0 && NEXT(writev)(journal, parts, 3) != whole) {
		dprintf(2, "shim: the journal cannot be written: %s\n", strerror(errno));
		abort();
	}
	errno = before;
}

static int is_watched(int file)
{
	return file >= 0 && file < DESCRIPTORS_MAX && watched[file];
}

static uint64_t inode(int file)
{
	struct stat found;
	return fstat(file, &found) == 0 ? found.st_ino : 0;
}

static off64_t size(int file)
{
	struct stat64 found;
	return fstat64(file, &found) == 0 ? found.st_size : 0;
}

/* Opening. */

typedef int opener(int, const char *, int, ...);

static int open_watched(opener *opens, int base, const char *path, int flags, mode_t mode)
{
	char resolved[PATH_MAX];
	const char *name = watched_path(base, path, resolved);
	if (name == NULL)
		return opens(base, path, flags, mode);
	pthread_mutex_lock(&order);
	int is_new = (flags & O_CREAT) && access(resolved, F_OK) != 0;
	int file = -1;
	if (!is_new || !is_full())
		file = opens(base, path, flags, mode);
	if (file >= 0 && file < DESCRIPTORS_MAX) {
		watched[file] = 1;
		struct record head = { .inode = inode(file) };
		if (is_new) {
			head.kind = CREATE;
			record(head, name, NULL);
		} else if (flags & O_TRUNC) {
			head.kind = RESIZE;
			record(head, NULL, NULL);
		}
	}
	pthread_mutex_unlock(&order);
	return file;
}

#define MODE(flags)                                                                                \
	mode_t mode = 0;                                                                           \
	if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                   \
		va_list arguments;                                                                 \
		va_start(arguments, flags);                                                        \
		mode = va_arg(arguments, mode_t);                                                  \
		va_end(arguments);                                                                 \
	}

int open(const char *path, int flags, ...)
{
	MODE(flags)
	return open_watched((opener *)next("openat"), AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	MODE(flags)
	return open_watched((opener *)next("openat64"), AT_FDCWD, path, flags, mode);
}

int openat(int base, const char *path, int flags, ...)
{
	MODE(flags)
	return open_watched((opener *)next("openat"), base, path, flags, mode);
}

int openat64(int base, const char *path, int flags, ...)
{
	MODE(flags)
	return open_watched((opener *)next("openat64"), base, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
	return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int creat64(const char *path, mode_t mode)
{
	return open64(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int close(int file)
{
	if (file >= 0 && file < DESCRIPTORS_MAX)
		watched[file] = 0;
	return NEXT(close)(file);
}

static int copied(int from, int to)
{
	if (to >= 0 && to < DESCRIPTORS_MAX)
		watched[to] = is_watched(from);
	return to;
}

int dup(int file)
{
	return copied(file, NEXT(dup)(file));
}

int dup2(int from, int to)
{
	return copied(from, NEXT(dup2)(from, to));
}

int dup3(int from, int to, int flags)
{
	return copied(from, NEXT(dup3)(from, to, flags));
}

#define CONTROL(name)                                                                              \
	int name(int file, int command, ...)                                                       \
	{                                                                                          \
		va_list arguments;                                                                 \
		va_start(arguments, command);                                                      \
		void *argument = va_arg(arguments, void *);                                        \
		va_end(arguments);                                                                 \
		int result = NEXT(name)(file, command, argument);                                  \
		int copies = command == F_DUPFD || command == F_DUPFD_CLOEXEC;                     \
		return copies ? copied(file, result) : result;                                     \
	}

CONTROL(fcntl)
CONTROL(fcntl64)

/* Writing. */

typedef ssize_t writer(int, const void *, size_t, off64_t);

static ssize_t write_here(int file, const void *data, size_t bytes, off64_t offset)
{
	(void)offset;
	return NEXT(write)(file, data, bytes);
}

static ssize_t write_watched(writer *writes, int file, const void *data, size_t bytes, off64_t at)
{
	pthread_mutex_lock(&order);
	int grows = at + (off64_t)bytes > size(file);
	ssize_t wrote = grows && is_full() ? -1 : writes(file, data, bytes, at);
	if (wrote > 0) {
		struct record head = { .kind = WRITE, .offset = at, .data_bytes = wrote };
		head.inode = inode(file);
		record(head, NULL, data);
	}
	pthread_mutex_unlock(&order);
	return wrote;
}

static off64_t position(int file)
{
	int appends = NEXT(fcntl)(file, F_GETFL) & O_APPEND;
	return appends ? size(file) : lseek64(file, 0, SEEK_CUR);
}

ssize_t write(int file, const void *data, size_t bytes)
{
	if (!is_watched(file))
		return NEXT(write)(file, data, bytes);
	return write_watched(write_here, file, data, bytes, position(file));
}

ssize_t pwrite(int file, const void *data, size_t bytes, off_t offset)
{
	if (!is_watched(file))
		return NEXT(pwrite)(file, data, bytes, offset);
	return write_watched((writer *)next("pwrite64"), file, data, bytes, offset);
}

ssize_t pwrite64(int file, const void *data, size_t bytes, off64_t offset)
{
	if (!is_watched(file))
		return NEXT(pwrite64)(file, data, bytes, offset);
	return write_watched((writer *)next("pwrite64"), file, data, bytes, offset);
}

/* The first part only: callers have to go on after a short write anyhow. */
ssize_t writev(int file, const struct iovec *parts, int count)
{
	if (!is_watched(file))
		return NEXT(writev)(file, parts, count);
	while (count > 1 && parts->iov_len == 0)
		parts++, count--;
	return count > 0 ? write(file, parts->iov_base, parts->iov_len) : 0;
}

static int resize(int file, off64_t bytes, int result)
{
	struct record head = { .kind = RESIZE, .inode = inode(file), .offset = bytes };
	if (result == 0)
		record(head, NULL, NULL);
	pthread_mutex_unlock(&order);
	return result;
}

int ftruncate64(int file, off64_t bytes)
{
	if (!is_watched(file))
		return NEXT(ftruncate64)(file, bytes);
	pthread_mutex_lock(&order);
	return resize(file, bytes, NEXT(ftruncate64)(file, bytes));
}

int ftruncate(int file, off_t bytes)
{
	return ftruncate64(file, bytes);
}

int fallocate64(int file, int mode, off64_t offset, off64_t bytes)
{
	if (!is_watched(file))
		return NEXT(fallocate64)(file, mode, offset, bytes);
	pthread_mutex_lock(&order);
	int result = is_full() ? -1 : NEXT(fallocate64)(file, mode, offset, bytes);
	return resize(file, size(file), result);
}

int fallocate(int file, int mode, off_t offset, off_t bytes)
{
	return fallocate64(file, mode, offset, bytes);
}

/* Names. */

int renameat2(int from_base, const char *from, int to_base, const char *to, unsigned int flags)
{
	char from_resolved[PATH_MAX], to_resolved[PATH_MAX];
	const char *old = watched_path(from_base, from, from_resolved);
	const char *new = watched_path(to_base, to, to_resolved);
	if (old == NULL || new == NULL)
		return NEXT(renameat2)(from_base, from, to_base, to, flags);
	pthread_mutex_lock(&order);
	int result = NEXT(renameat2)(from_base, from, to_base, to, flags);
	struct record head = { .kind = RENAME, .data_bytes = strlen(new) };
	if (result == 0)
		record(head, old, new);
	pthread_mutex_unlock(&order);
	return result;
}

int renameat(int from_base, const char *from, int to_base, const char *to)
{
	return renameat2(from_base, from, to_base, to, 0);
}

int rename(const char *from, const char *to)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int base, const char *path, int flags)
{
	char resolved[PATH_MAX];
	const char *name = watched_path(base, path, resolved);
	if (name == NULL)
		return NEXT(unlinkat)(base, path, flags);
	pthread_mutex_lock(&order);
	int result = NEXT(unlinkat)(base, path, flags);
	struct record head = { .kind = REMOVE };
	if (result == 0)
		record(head, name, NULL);
	pthread_mutex_unlock(&order);
	return result;
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdirat(int base, const char *path, mode_t mode)
{
	char resolved[PATH_MAX];
	const char *name = watched_path(base, path, resolved);
	struct stat made;
	if (name == NULL)
		return NEXT(mkdirat)(base, path, mode);
	pthread_mutex_lock(&order);
	int result = access(resolved, F_OK) != 0 && is_full() ? -1 : NEXT(mkdirat)(base, path, mode);
	if (result == 0 && stat(resolved, &made) == 0) {
		struct record head = { .kind = FOLDER, .inode = made.st_ino };
		record(head, name, NULL);
	}
	pthread_mutex_unlock(&order);
	return result;
}

int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

/* Syncing. */

static int sync_watched(int (*syncs)(int), int file)
{
	if (!is_watched(file))
		return syncs(file);
	struct record head = { .kind = SYNC_BEGIN, .inode = inode(file), .offset = gettid() };
	long slower_ms = asked("sync_ms");
	pthread_mutex_lock(&order);
	record(head, NULL, NULL);
	pthread_mutex_unlock(&order);
	struct timespec slower = { slower_ms / 1000, slower_ms % 1000 * 1000000 };
	while (slower_ms > 0 && nanosleep(&slower, &slower) != 0)
		continue;
	int result = syncs(file);
	head.kind = SYNC_END;
	pthread_mutex_lock(&order);
	if (result == 0)
		record(head, NULL, NULL);
	pthread_mutex_unlock(&order);
	return result;
}

int fsync(int file)
{
	return sync_watched(NEXT(fsync), file);
}

int fdatasync(int file)
{
	return sync_watched(NEXT(fdatasync), file);
}
