// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lockstep {

// Local. Whether the folder belongs to somebody else: neither to the user this process runs as nor to root.
// For root nobody's folder is somebody else's. Asks the folder itself, not its name, and follows no link in
// its last component. Throws Fault (66, 74) when it cannot be opened.
bool is_folder_of_another(const std::string& path);

// Local; before anything is written there. Throws Fault (73) that names both users when
// is_folder_of_another(): its owner can put in the place of every file whatever he likes, at any time.
void refuse_folder_of_another(const std::string& path);

}  // namespace lockstep
