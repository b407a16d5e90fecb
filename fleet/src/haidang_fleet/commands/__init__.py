"""What an administrator of the fleet types: `haidang fleet …`."""
