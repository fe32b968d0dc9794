/*
 * A disk that notes how much of the append-only file it was told to keep: after a power failure
 * nothing more is there. While the file "hold" exists the disk is slow: it keeps nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int fdatasync(int fd)
{
	const char *folder = getenv("TEST_DISK");
	char link[64], path[4096], note[4096], text[32];
	struct stat file;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof path - 1);
	if (folder == NULL || length < 0)
		return fsync(fd);
	path[length] = 0;
	if (strstr(path, ".incr.aof") == NULL)
		return fsync(fd);
	snprintf(note, sizeof note, "%s/hold", folder);
	while (access(note, F_OK) == 0)
		usleep(1000);
	if (fstat(fd, &file) != 0)
		return -1;
	snprintf(note, sizeof note, "%s/kept", folder);
	int out = open(note, O_CREAT | O_WRONLY, 0600);
	if (out < 0)
		return -1;
	length = snprintf(text, sizeof text, "%020lld", (long long)file.st_size);
	length -= pwrite(out, text, length, 0);
	close(out);
	return length == 0 ? 0 : -1;
}
