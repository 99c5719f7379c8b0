# SPDX-License-Identifier: Apache-2.0
# The drop-in as a C text.
1i extern const char install_text_unit[];
1i const char install_text_unit[] =
s/[\\"]/\\&/g
s/^/"/
s/$/\\n"/
$a ;
