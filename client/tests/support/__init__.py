"""What tests share: real servers and agents in processes of their own, and a proxy that will have no websockets."""
