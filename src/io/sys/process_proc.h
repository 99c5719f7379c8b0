/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc, a pid file and log files say about a server's process; for process.c and its tests.
 */
#ifndef TANDEM_IO_SYS_PROCESS_PROC_H
#define TANDEM_IO_SYS_PROCESS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/starts.h"

enum proc_state { PROC_GONE, PROC_ZOMBIE, PROC_ALIVE };

/* 0 = no file, or no number in it. */
uint32_t proc_pid_file_read(const char *path);
enum proc_state proc_state(uint32_t pid);
/* Alive, comm is mysqld or mariadbd, and its working directory is data_dir (mysqld changes to it at
 * its start): the last is not asked if data_dir is "" or the kernel does not show it, as of a
 * process that is being ended. */
bool proc_is_server(uint32_t pid, const char *data_dir);
/* Is any process a server of this data directory, whatever its pid file says? Reads all of /proc.
 */
bool proc_serves(const char *data_dir);
/* What the last start that is told of after `offset` has said (process_start_words()). */
void proc_start_words(const char *error_log, uint64_t offset, struct starts *ret);
/* Last line that is not empty after `offset`; "" if there is none. */
void proc_last_line(const char *path, uint64_t offset, char *buf, size_t size);

#endif
