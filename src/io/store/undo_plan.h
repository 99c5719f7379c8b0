/* SPDX-License-Identifier: Apache-2.0 */
/*
 * REWIND_JOB_UNDO (rewind_job.h): makes the script that takes committed transactions, the last ones
 * of the binlog, back out of the data. On a pool thread; reads the binlog files only.
 *
 * Transactions are reversed from the last to the first, and in each the events and their rows, as
 * `mariadb-binlog --flashback` does; one method for both families, since a BINLOG statement takes
 * row events and a row event is reversed without understanding its values (wire/row_event.h).
 *
 * What such events do not prove is that the rows are still as the transactions left them: the
 * server finds a row by its primary key and compares nothing else. So before each event the images
 * that it expects are put into a scratch table of the same columns, by a WRITE_ROWS event under its
 * name, and the server joins the two: every column must be equal, by value and by bytes. After the
 * event the images of before are compared likewise (of reversed inserts: no such key is left). All
 * of it is one transaction; its first check that fails ends it.
 *
 * The binlog is off for the session. After the commit the binlogs are reset and the set of executed
 * transactions is set to what it was before the first of them. A crash in between leaves rows of
 * before under a set of after: tried again, the rows differ or a key is there already, which
 * refuses.
 *
 * Refused (wire/undo.def): anything but full images of changed rows in InnoDB tables with a primary
 * key and columns of types that can be measured; foreign keys that change further rows; tables
 * whose columns are not those of the events.
 */
#ifndef TANDEM_IO_STORE_UNDO_PLAN_H
#define TANDEM_IO_STORE_UNDO_PLAN_H

#include "io/store/rewind_private.h"

#define UNDO_BYTES_MAX (16U << 20) /* of row events */
#define UNDO_TABLES_MAX 32
#define UNDO_CHUNK_MAX (512U << 10) /* of the images of one reversed event */

/* Fills res->undo, or res->undo_reason and undo_detail. ERR_* as rewind_job.h says. */
int rewind_undo_run(struct rewind_work *k) NODISCARD;

#endif
