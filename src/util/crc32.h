/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32 of IEEE 802.3 (reflected polynomial 0xedb88320, as in zlib): the checksum of binary log
 * events and of this program's own files. Start with 0; feeding pieces one after the other gives
 * the value of the whole.
 */
#ifndef TANDEM_UTIL_CRC32_H
#define TANDEM_UTIL_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32_update(uint32_t crc, const void *data, size_t size);

#endif
