"""Three validators judge thousands of faulty signatures: ours, pyhanko-certvalidator and the openssl program."""
